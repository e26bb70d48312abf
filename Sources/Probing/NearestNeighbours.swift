import Base
import Foundation
import Kernels

/// Weighted k-nearest neighbours by cosine similarity: each of the k most similar training samples votes for its class
/// with weight exp(similarity / T).
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
        let (rows, block) = (32, 2048)
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
