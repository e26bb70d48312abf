import Base
import Foundation
import Kernels

// n samples with D features, C classes.

/// Multinomial logistic regression, p(c | x) = softmax(W x + b)_c, W (C, D), b (C), fitted with L-BFGS to minimise
///
///     1 / n sum_i -log p(y_i | x_i) + decay / 2 ||W||^2
///
/// b is not decayed. This is the objective of scikit-learn's LogisticRegression with its parameter C = 1 / (n decay).
package struct SoftmaxRegression {
    private let dim, classes: Int
    /// W in row-major order, then b.
    package private(set) var parameters: [Double]

    /// Starts from `start` or from zeros. The result does not depend on the number of threads. Throws `Failure` if
    /// memory is short.
    package init(
        _ features: LabelledFeatures, decay: Double, start: SoftmaxRegression? = nil, team: ThreadTeam
    ) throws {
        (dim, classes) = (features.dim, features.classes)
        parameters = start?.parameters ?? [Double](repeating: 0, count: classes * (dim + 1))
        var memory = Arena()
        let losses = try OwnedBuffer<Double>(count: LabelledFeatures.stripCount)
        let bound = try CurvatureBound(features, decay: decay, team: team)
        let strips = try (0..<losses.count).map {
            try Strip($0, of: features, loss: losses.pointer + $0, in: &memory)
        }
        let (dim, classes, n) = (dim, classes, Double(features.count))
        LBFGS.minimise(&parameters, precondition: bound.solve) { parameters, gradient in
            let weights = parameters.map(Float.init)
            team.run { thread in
                useSingleThreadedProducts()
                for strip in strips[team.part(thread, of: strips.count)] { strip.evaluate(weights) }
            }
            var loss = 0.0
            for i in gradient.indices { gradient[i] = 0 }
            for strip in strips {
                loss += strip.loss.pointee
                for i in gradient.indices { gradient[i] += Double(strip.gradient[i]) / n }
            }
            var penalty = 0.0
            for i in 0..<classes * dim {
                gradient[i] += decay * parameters[i]
                penalty += parameters[i] * parameters[i]
            }
            return loss / n + decay / 2 * penalty
        }
    }

    package func accuracy(on features: LabelledFeatures) throws -> Accuracy {
        let block = 1024
        let logits = try OwnedBuffer<Float>(count: block * classes)
        let weights = parameters.map(Float.init)
        var correct = 0
        for start in stride(from: 0, to: features.count, by: block) {
            let rows = min(block, features.count - start)
            logitsOf(features[start], rows, weights, dim: dim, classes: classes, into: logits.pointer)
            for row in 0..<rows {
                let scores = logits.pointer + row * classes
                let best = (0..<classes).max { scores[$0] < scores[$1] }
                if best == features.labels[start + row] { correct += 1 }
            }
        }
        return Accuracy(correct: correct, total: features.count)
    }
}

/// One strip of the samples, with buffers for its part of the loss and the gradient.
private struct Strip {
    private static let block = 1024
    private let features: LabelledFeatures
    private let rows: Range<Int>
    let gradient: UnsafeMutablePointer<Float>  // of W, then of b
    let loss: UnsafeMutablePointer<Double>
    private let logits: UnsafeMutablePointer<Float>

    init(
        _ index: Int, of features: LabelledFeatures, loss: UnsafeMutablePointer<Double>, in memory: inout Arena
    ) throws {
        self.features = features
        rows = features.strip(index)
        gradient = try memory.floats(features.classes * (features.dim + 1))
        logits = try memory.floats(Self.block * features.classes)
        self.loss = loss
    }

    /// Computes the sums over the strip of -log p(y | x) and of its gradient (p - onehot(y)) x^T.
    func evaluate(_ weights: [Float]) {
        let (dim, classes) = (features.dim, features.classes)
        gradient.update(repeating: 0, count: classes * (dim + 1))
        loss.pointee = 0
        for start in stride(from: rows.lowerBound, to: rows.upperBound, by: Self.block) {
            let count = min(Self.block, rows.upperBound - start)
            let values = features[start]
            logitsOf(values, count, weights, dim: dim, classes: classes, into: logits)
            for row in 0..<count {
                let scores = logits + row * classes
                var largest = scores[0]
                for c in 1..<classes { largest = max(largest, scores[c]) }
                var sum: Float = 0
                let target = features.labels[start + row]
                let own = scores[target]
                for c in 0..<classes {
                    scores[c] = exp(scores[c] - largest)
                    sum += scores[c]
                }
                for c in 0..<classes { scores[c] /= sum }
                scores[target] -= 1
                loss.pointee += Double(log(sum)) + Double(largest - own)
            }
            multiply(
                Matrix(logits, count, classes).transposed, Matrix(values, count, dim),
                into: Matrix(gradient, classes, dim), isAdding: true)
            addColumnSums(logits, sign: 1, rows: count, columns: classes, stride: classes, to: gradient + classes * dim)
        }
    }
}

/// W x + b for `rows` samples, (rows, C).
private func logitsOf(
    _ values: UnsafeMutablePointer<Float>, _ rows: Int, _ weights: [Float], dim: Int, classes: Int,
    into logits: UnsafeMutablePointer<Float>
) {
    weights.withUnsafeBufferPointer { weights in
        let start = UnsafeMutablePointer(mutating: weights.baseAddress!)
        multiply(Matrix(values, rows, dim), Matrix(start, classes, dim).transposed, into: Matrix(logits, rows, classes))
        addRow(logits, bias: start + classes * dim, sign: 1, rows: rows, dim: classes, into: logits)
    }
}
