import Base
import Foundation
import Kernels

// n samples, D features of each, C classes.

/// Multinomial logistic regression, p(c | x) = softmax(W x + b)_c, W (C, D), b (C), at the minimum of
///
///     1 / n sum_i -log p(y_i | x_i) + decay / 2 ||W||^2
///
/// found by L-BFGS; b is not decayed. With C = 1 / (n decay) that is the objective of scikit-learn's LogisticRegression.
package struct SoftmaxRegression {
    private let dim, classes: Int
    /// W row by row, then b.
    package private(set) var parameters: [Double]

    /// The regression on `features` with `decay`, from zeros or from `start`; rows are divided over the `team`, in strips whose
    /// number does not depend on it.
    package init(
        _ features: LabelledFeatures, decay: Double, start: SoftmaxRegression? = nil, team: ThreadTeam
    ) throws {
        (dim, classes) = (features.dim, features.classes)
        parameters = start?.parameters ?? [Double](repeating: 0, count: classes * (dim + 1))
        var memory = Arena()
        let losses = try OwnedBuffer<Double>(count: Strip.count)
        let bound = try CurvatureBound(features, decay: decay, team: team)
        var strips: [Strip] = []
        for index in 0..<Strip.count {
            strips.append(try Strip(index, of: features, loss: losses.pointer + index, in: &memory))
        }
        let (dim, classes, n) = (dim, classes, Double(features.count))
        let (values, labels) = (features.values, features.labels)
        LBFGS.minimise(&parameters, precondition: bound.solve) { parameters, gradient in
            let weights = parameters.map(Float.init)
            team.run { thread in
                useSingleThreadedProducts()
                for strip in strips[team.part(thread, of: strips.count)] {
                    strip.evaluate(values, labels, weights, dim: dim, classes: classes)
                }
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

    /// How many of `features` it classifies rightly.
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

/// Some of the rows, and memory for their part of the loss and of the gradient.
private struct Strip {
    static let count = 8
    private static let block = 1024
    let rows: Range<Int>
    let gradient: UnsafeMutablePointer<Float>  // W's, then b's
    let loss: UnsafeMutablePointer<Double>
    private let logits: UnsafeMutablePointer<Float>

    init(
        _ index: Int, of features: LabelledFeatures, loss: UnsafeMutablePointer<Double>,
        in memory: inout Arena
    ) throws {
        rows = features.count * index / Self.count..<features.count * (index + 1) / Self.count
        gradient = try memory.floats(features.classes * (features.dim + 1))
        logits = try memory.floats(Self.block * features.classes)
        self.loss = loss
    }

    /// Sets the sums over the strip of -log p(y | x), and of its gradient (p - onehot(y)) x^T.
    func evaluate(
        _ values: UnsafeMutablePointer<Float>, _ labels: [Int], _ weights: [Float], dim: Int, classes: Int
    ) {
        gradient.update(repeating: 0, count: classes * (dim + 1))
        loss.pointee = 0
        for start in stride(from: rows.lowerBound, to: rows.upperBound, by: Self.block) {
            let count = min(Self.block, rows.upperBound - start)
            logitsOf(values + start * dim, count, weights, dim: dim, classes: classes, into: logits)
            for row in 0..<count {
                let scores = logits + row * classes
                var largest = scores[0]
                for c in 1..<classes { largest = max(largest, scores[c]) }
                var sum: Float = 0
                let target = labels[start + row]
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
                Matrix(logits, count, classes).transposed, Matrix(values + start * dim, count, dim),
                into: Matrix(gradient, classes, dim), isAdding: true)
            addColumnSums(
                logits, sign: 1, rows: count, columns: classes, stride: classes, to: gradient + classes * dim)
        }
    }
}

/// W x + b of `rows` rows, (rows, C).
private func logitsOf(
    _ values: UnsafeMutablePointer<Float>, _ rows: Int, _ weights: [Float], dim: Int, classes: Int,
    into logits: UnsafeMutablePointer<Float>
) {
    weights.withUnsafeBufferPointer { weights in
        let start = UnsafeMutablePointer(mutating: weights.baseAddress!)
        multiply(
            Matrix(values, rows, dim), Matrix(start, classes, dim).transposed, into: Matrix(logits, rows, classes))
        addRow(logits, bias: start + classes * dim, sign: 1, rows: rows, dim: classes, into: logits)
    }
}
