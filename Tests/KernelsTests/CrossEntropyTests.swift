import Foundation
import Kernels
import Testing

@Suite struct CrossEntropyTests {
    private let classes = 7
    private let logits: [Float] = (0..<21).map { 3 * sin(1.7 * Float($0)) }
    private let targets: [Float] = (0..<21).map { index in
        // A one-hot target, two classes with probability 1/2, and a uniform target.
        [index == 3 ? 1 : 0, [8, 11].contains(index) ? 0.5 : 0, 1 / 7][index / 7]
    }

    private func loss(_ logits: [Float], scale: Float? = nil) -> (losses: [Double], gradient: [Float]) {
        var logits = logits
        var losses = [Double](repeating: 0, count: 3)
        crossEntropyLoss(
            logits: &logits, targets: targets, images: 3, classes: classes, gradientScale: scale,
            imageLosses: &losses)
        return (losses, logits)
    }

    @Test func lossMatchesTheFormula() {
        let (losses, unchanged) = loss(logits)
        #expect(unchanged == logits)
        for image in 0..<3 {
            let said = (0..<classes).map { Double(logits[image * classes + $0]) }
            let sum = said.reduce(0) { $0 + exp($1) }
            let expected = (0..<classes).reduce(0.0) {
                $0 - Double(targets[image * classes + $1]) * log(exp(said[$1]) / sum)
            }
            #expect(abs(losses[image] - expected) < 1e-6)
        }
    }

    @Test func gradientMatchesFiniteDifferences() {
        let (_, gradient) = loss(logits, scale: 0.5)
        for index in logits.indices {
            func value(_ shift: Float) -> Double {
                var moved = logits
                moved[index] += shift
                return loss(moved).losses.reduce(0, +)
            }
            let difference = (value(1 / 64) - value(-1 / 64)) * 32
            #expect(abs(Double(gradient[index]) - 0.5 * difference) < 1e-4)
        }
    }

    @Test func largeLogitsDoNotOverflow() {
        let (losses, gradient) = loss(logits.map { $0 * 1e4 }, scale: 1)
        #expect(losses.allSatisfy(\.isFinite) && gradient.allSatisfy(\.isFinite))
    }

    @Test func ranksMatchASortedList() {
        let scores: [Float] = [0.5, 2, 2, -1, 0.5]
        #expect((0..<5).map { rank(of: $0, in: scores, classes: 5) } == [2, 0, 1, 4, 3])
        #expect(rank(of: 0, in: [1, .nan, 0], classes: 3) == 1)
        #expect(rank(of: 0, in: [.nan, 1, 0], classes: 3) == 2)
    }
}
