import Base
import Foundation
import Probing
import Testing

/// Samples with the labels 0, 1, ..., classes - 1, 0, ..., each near the centre of its class.
func drawnFeatures(
    count: Int, dim: Int, classes: Int, spread: Float, shift: Int = 0, in memory: inout Arena
) throws -> LabelledFeatures {
    let features = try LabelledFeatures(
        labels: (0..<count).map { $0 % classes }, dim: dim, classes: classes, name: "drawn", in: &memory)
    for sample in 0..<count {
        for feature in 0..<dim {
            let centre = sin(Float(7 * (sample % classes) + 3 * feature))
            let noise = Float(hash(UInt64((sample + shift) * 131 + feature)) % 2000) / 1000 - 1
            features[sample][feature] = 5 + centre + noise * spread
        }
    }
    return features
}

/// The finaliser of splitmix64.
private func hash(_ value: UInt64) -> UInt64 {
    var bits = (value &+ 0x9E37_79B9_7F4A_7C15) &* 0xBF58_476D_1CE4_E5B9
    bits = (bits ^ (bits >> 27)) &* 0x94D0_49BB_1331_11EB
    return bits ^ (bits >> 31)
}

@Suite struct ProbingTests {
    @Test func regressionMinimisesItsObjective() throws {
        var memory = Arena()
        let features = try drawnFeatures(count: 90, dim: 5, classes: 3, spread: 2, in: &memory)
        Standardisation(of: features).apply(to: features)
        let decay = 1e-2
        let solved = try SoftmaxRegression(features, decay: decay, team: ThreadTeam(count: 1))
        try #require(solved.parameters.count == 3 * 6)
        // In Double, any step away from the solution must increase the objective.
        func objective(_ parameters: [Double]) -> Double {
            var sum = 0.0
            for sample in 0..<features.count {
                let logits = (0..<3).map { c in
                    (0..<5).reduce(parameters[15 + c]) { $0 + parameters[c * 5 + $1] * Double(features[sample][$1]) }
                }
                sum += log(logits.map(exp).reduce(0, +)) - logits[features.labels[sample]]
            }
            return sum / 90 + decay / 2 * parameters.prefix(15).reduce(0) { $0 + $1 * $1 }
        }
        let best = objective(solved.parameters)
        for index in solved.parameters.indices {
            for step in [0.02, -0.02] {
                var moved = solved.parameters
                moved[index] += step
                #expect(objective(moved) > best)
            }
        }
    }

    /// With duplicated features X^T X is singular, but the objective still has a unique minimum with equal weights.
    @Test func duplicatedFeaturesShareTheirWeight() throws {
        var memory = Arena()
        let features = try drawnFeatures(count: 120, dim: 8, classes: 3, spread: 2, in: &memory)
        Standardisation(of: features).apply(to: features)
        for sample in 0..<features.count {
            for feature in 0..<4 { features[sample][feature + 4] = features[sample][feature] }
        }
        let weights = try SoftmaxRegression(features, decay: 1e-3, team: ThreadTeam(count: 1)).parameters
        try #require(weights.count == 3 * 9)
        for c in 0..<3 {
            for feature in 0..<4 {
                #expect(abs(weights[c * 8 + feature] - weights[c * 8 + feature + 4]) < 1e-3)
                #expect(abs(weights[c * 8 + feature]) > 1e-3)
            }
        }
    }

    @Test(arguments: [2, 3]) func resultDoesNotDependOnThreads(threads: Int) throws {
        var memory = Arena()
        let features = try drawnFeatures(count: 200, dim: 6, classes: 4, spread: 2, in: &memory)
        let alone = try SoftmaxRegression(features, decay: 1e-3, team: ThreadTeam(count: 1))
        let together = try SoftmaxRegression(features, decay: 1e-3, team: ThreadTeam(count: threads))
        #expect(alone.parameters == together.parameters)
    }

    @Test func separableClassesAreClassifiedAndMixedOnesAreNot() throws {
        for (spread, expected) in [(Float(0.1), 0.99...1.0), (50, 0.1...0.5)] {
            var memory = Arena()
            let training = try drawnFeatures(count: 300, dim: 8, classes: 4, spread: spread, in: &memory)
            let validation = try drawnFeatures(
                count: 200, dim: 8, classes: 4, spread: spread, shift: 1000, in: &memory)
            let result = try LinearProbe().solve(training, validation, team: ThreadTeam(count: 2))
            #expect(expected.contains(result.linear.fraction))
            #expect(expected.contains(try #require(result.neighbours).fraction))
        }
    }

    @Test func neighboursMatchANaiveSearch() throws {
        var memory = Arena()
        let training = try drawnFeatures(count: 2500, dim: 7, classes: 5, spread: 3, in: &memory)
        let validation = try drawnFeatures(count: 70, dim: 7, classes: 5, spread: 3, shift: 9, in: &memory)
        func cosine(_ a: UnsafeMutablePointer<Float>, _ b: UnsafeMutablePointer<Float>) -> Double {
            let products = (0..<7).map { i in
                (Double(a[i]) * Double(b[i]), Double(a[i]) * Double(a[i]), Double(b[i]) * Double(b[i]))
            }
            let sums = products.reduce((0.0, 0.0, 0.0)) { ($0.0 + $1.0, $0.1 + $1.1, $0.2 + $1.2) }
            return sums.0 / (sums.1 * sums.2).squareRoot()
        }
        var correct = 0
        for query in 0..<70 {
            let near = (0..<2500).map { ($0, cosine(validation[query], training[$0])) }.sorted { $0.1 > $1.1 }.prefix(
                20)
            var votes = [Double](repeating: 0, count: 5)
            for (sample, similarity) in near { votes[training.labels[sample]] += exp(similarity / 0.07) }
            if votes.indices.max(by: { votes[$0] < votes[$1] }) == validation.labels[query] { correct += 1 }
        }
        let found = try NearestNeighbours().accuracy(on: validation, training: training, team: ThreadTeam(count: 3))
        #expect(abs(found.correct - correct) <= 1)
        #expect(found.total == 70)
    }

    @Test func intervalIsTheWilsonInterval() {
        // A common textbook example.
        let interval = Accuracy(correct: 20, total: 100).interval
        #expect(abs(interval.lowerBound - 0.1334) < 1e-4)
        #expect(abs(interval.upperBound - 0.2888) < 1e-4)
        #expect(Accuracy(correct: 0, total: 10).interval.lowerBound == 0)
    }

    @Test func invalidLabelsAreRejected() throws {
        var memory = Arena()
        for labels in [[0, 1, -1], [0, 1, 3], []] {
            #expect(throws: Failure.self) {
                try LabelledFeatures(labels: labels, dim: 2, classes: 3, name: "x", in: &memory)
            }
        }
    }
}
