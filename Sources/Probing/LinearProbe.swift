import Base
import Foundation
import Kernels

package struct Accuracy: Codable, Equatable, Sendable {
    package let correct: Int
    package let total: Int

    package var fraction: Double { Double(correct) / Double(total) }

    /// The 95% Wilson score interval, with z = 1.96 and the fraction f of n samples:
    ///
    ///     (f + z^2 / 2n +- z sqrt(f (1 - f) / n + z^2 / 4n^2)) / (1 + z^2 / n)
    ///
    /// Source: Wilson, Probable inference, the law of succession, and statistical inference (1927).
    package var interval: ClosedRange<Double> {
        let (z, n) = (1.959964, Double(total))
        let centre = fraction + z * z / (2 * n)
        let spread = z * (fraction * (1 - fraction) / n + z * z / (4 * n * n)).squareRoot()
        return max(0, (centre - spread) / (1 + z * z / n))...min(1, (centre + spread) / (1 + z * z / n))
    }

    /// `total` must be positive.
    package init(correct: Int, total: Int) {
        self.correct = correct
        self.total = total
    }
}

package struct ProbeResult: Codable, Equatable, Sendable {
    /// The accuracy of the linear probe on the validation samples.
    package let linear: Accuracy
    /// The accuracy of the linear probe on the training samples.
    package let training: Accuracy
    /// The weight decay that was selected on a held-out tenth of the training samples.
    package let decay: Double
    /// The k-nearest-neighbour accuracy on the validation samples, or nil if it was not requested.
    package let neighbours: Accuracy?
}

/// A `SoftmaxRegression` on frozen features, standardised with the statistics of the training samples. The weight decay
/// is selected on a held-out tenth of the training samples, and the final fit uses all of them.
package struct LinearProbe: Sendable {
    /// In decreasing order, since each fit starts from the previous one.
    private static let decays = [1e-1, 1e-2, 1e-3, 1e-4, 1e-5, 1e-6]
    /// k of the k-nearest-neighbour classifier; nil skips it.
    private let neighbours: Int?

    package init(neighbours: Int? = 20) { self.neighbours = neighbours }

    /// Standardises `training` and `validation` in place. Throws `Failure` for fewer than ten training samples.
    package func solve(
        _ training: LabelledFeatures, _ validation: LabelledFeatures, team: ThreadTeam
    ) throws -> ProbeResult {
        guard training.count >= 10 else {
            throw Failure("\(training.count) training samples are too few", hint: "use at least ten")
        }
        let nearest = try neighbours.map {
            try NearestNeighbours(neighbours: $0).accuracy(on: validation, training: training, team: team)
        }
        let standardisation = Standardisation(of: training)
        standardisation.apply(to: training)
        standardisation.apply(to: validation)
        let decay = try bestDecay(training, team)
        let regression = try SoftmaxRegression(training, decay: decay, team: team)
        return ProbeResult(
            linear: try regression.accuracy(on: validation), training: try regression.accuracy(on: training),
            decay: decay, neighbours: nearest)
    }

    private func bestDecay(_ features: LabelledFeatures, _ team: ThreadTeam) throws -> Double {
        // Hold out every tenth sample of a random order, because shards may be sorted by class.
        let order = KeyedPermutation(count: features.count, seed: 0, epoch: 0)
        let isHeld = (0..<features.count).map { order[$0] % 10 == 0 }
        var memory = Arena()
        let fitted = try features.subset(isHeld.indices.filter { !isHeld[$0] }, in: &memory)
        let held = try features.subset(isHeld.indices.filter { isHeld[$0] }, in: &memory)
        var best: (decay: Double, correct: Int)?
        var last: SoftmaxRegression?
        for decay in Self.decays {
            let regression = try SoftmaxRegression(fitted, decay: decay, start: last, team: team)
            let correct = try regression.accuracy(on: held).correct
            if correct > best?.correct ?? -1 { best = (decay, correct) }
            last = regression
        }
        return best?.decay ?? Self.decays[0]
    }
}

/// Weighted k-nearest neighbours by cosine similarity: each of the k most similar training samples votes for its class
/// with weight exp(similarity / T).
///
/// Validation samples are compared in blocks of 32, so all of them at once give the same result as one multiple of 32
/// after the other.
///
/// Source: Wu et al., Unsupervised Feature Learning via Non-Parametric Instance Discrimination (arXiv 1805.01978).
package struct NearestNeighbours: Sendable {
    private let neighbours: Int
    private static let temperature = 0.07

    package init(neighbours: Int = 20) { self.neighbours = neighbours }

    package func accuracy(
        on validation: LabelledFeatures, training: LabelledFeatures, team: ThreadTeam
    ) throws -> Accuracy {
        let (own, other) = (inverseNorms(validation), inverseNorms(training))
        let (queries, keys, dim) = (validation.values, training.values, training.dim)
        let (labels, truths, classes) = (training.labels, validation.labels, training.classes)
        let (rows, block) = (32, 2048)  // as documented, and what fits the cache
        var memory = Arena()
        let scores = try memory.floats(team.count * rows * block)
        let counts = try OwnedBuffer<Int>(count: team.count)
        let correct = counts.pointer
        team.run { thread in
            useSingleThreadedProducts()
            let part = team.part(thread, of: truths.count, grain: rows)
            let scores = scores + thread * rows * block
            for start in stride(from: part.lowerBound, to: part.upperBound, by: rows) {
                let count = min(rows, part.upperBound - start)
                var nearest = Array(repeating: Nearest(capacity: neighbours), count: count)
                for first in stride(from: 0, to: labels.count, by: block) {
                    let width = min(block, labels.count - first)
                    multiply(
                        Matrix(queries + start * dim, count, dim), Matrix(keys + first * dim, width, dim).transposed,
                        into: Matrix(scores, count, width))
                    for row in 0..<count {
                        for column in 0..<width {
                            nearest[row].offer(
                                scores[row * width + column] * own[start + row] * other[first + column],
                                sample: first + column)
                        }
                    }
                }
                WorkDone.add()
                for row in 0..<count where vote(nearest[row], labels, classes) == truths[start + row] {
                    correct[thread] += 1
                }
            }
        }
        return Accuracy(correct: counts.elements.reduce(0, +), total: truths.count)
    }

    private func vote(_ nearest: Nearest, _ labels: [Int], _ classes: Int) -> Int {
        var votes = [Double](repeating: 0, count: classes)
        for neighbour in nearest.sorted {
            votes[labels[neighbour.sample]] += exp(Double(neighbour.similarity - 1) / Self.temperature)
        }
        return votes.indices.max { votes[$0] < votes[$1] } ?? 0
    }

    private func inverseNorms(_ features: LabelledFeatures) -> [Float] {
        (0..<features.count).map { sample in
            let squares = sumOfSquares(features[sample], count: features.dim)
            return squares > 0 ? Float(1 / squares.squareRoot()) : 0
        }
    }
}

/// The most similar samples so far, sorted by decreasing similarity, ties in the order they were offered.
private struct Nearest {
    private(set) var sorted: [(similarity: Float, sample: Int)] = []
    private let capacity: Int

    init(capacity: Int) { self.capacity = capacity }

    @inline(__always)
    mutating func offer(_ similarity: Float, sample: Int) {
        if sorted.count == capacity && similarity <= sorted[capacity - 1].similarity { return }
        insert(similarity, sample)
    }

    private mutating func insert(_ similarity: Float, _ sample: Int) {
        if sorted.count == capacity { sorted.removeLast() }
        let place = sorted.firstIndex { $0.similarity < similarity } ?? sorted.count
        sorted.insert((similarity, sample), at: place)
    }
}
