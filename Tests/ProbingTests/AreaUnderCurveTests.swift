import Base
import Probing
import Testing

@Suite struct AreaUnderCurveTests {
    private typealias Groups = [(scores: [Float], isPositive: [Bool])]

    /// All pairs of a positive and a negative, one by one.
    private func naiveArea(_ groups: Groups) -> Double? {
        let values = groups.flatMap { zip($0.scores, $0.isPositive) }
        let (positives, negatives) = (values.filter(\.1).map(\.0), values.filter { !$0.1 }.map(\.0))
        guard !positives.isEmpty, !negatives.isEmpty else { return nil }
        var wins = 0.0
        for positive in positives {
            for negative in negatives { wins += positive > negative ? 1 : positive == negative ? 0.5 : 0 }
        }
        return wins / Double(positives.count * negatives.count)
    }

    /// Scores of few different values, so that many are equal; positives in every other group.
    private func drawn(seed: UInt64, groups: Int, values: Int, levels: Int) -> Groups {
        var generator = KeyedGenerator(seed: seed, .drawing)
        return (0..<groups).map { group in
            let isPositive = (0..<values).map { _ in group % 2 == 0 && generator.index(below: 3) == 0 }
            let scores = isPositive.map { Float(generator.index(below: levels) - levels / 2 + ($0 ? 1 : 0)) / 4 }
            return (scores, isPositive)
        }
    }

    @Test(arguments: 0..<20)
    func isTheShareOfPairsInOrder(seed: Int) throws {
        let groups = drawn(seed: UInt64(seed), groups: 6, values: 25, levels: [3, 9, 100][seed % 3])
        let area = try #require(AreaUnderCurve(groups))
        let expected = try #require(naiveArea(groups))
        #expect(abs(area.value - expected) < 1e-12)
        #expect(area.positives + area.negatives == 150)
    }

    @Test func knowsItsLimits() throws {
        func value(_ scores: [Float], _ isPositive: [Bool]) -> Double? { AreaUnderCurve([(scores, isPositive)])?.value }
        #expect(value([1, 2, 3], [false, false, true]) == 1)
        #expect(value([3, 2, 1], [false, false, true]) == 0)
        #expect(value([5, 5, 5, 5], [false, true, false, true]) == 0.5)
        #expect(value([0, -0.0], [true, false]) == 0.5)
        #expect(value([-2, -1], [false, true]) == 1)
        #expect(value([-1, 1e-30, .greatestFiniteMagnitude], [false, true, true]) == 1)
        #expect(value([1, 2], [true, true]) == nil)
        #expect(value([1, 2], [false, false]) == nil)
        #expect(AreaUnderCurve([]) == nil)
    }

    /// The same draws, with every drawn set of groups compared pair by pair.
    @Test func intervalDrawsGroups() throws {
        let groups = drawn(seed: 4, groups: 8, values: 12, levels: 7)
        var generator = KeyedGenerator(seed: 0, .resampling)
        let areas = (0..<1000).compactMap { _ in
            naiveArea((0..<8).map { _ in groups[generator.index(below: 8)] })
        }.sorted()
        try #require(areas.count >= 900)
        let interval = try #require(AreaUnderCurve(groups)?.interval)
        #expect(abs(interval.lowerBound - areas[areas.count * 25 / 1000]) < 1e-12)
        #expect(abs(interval.upperBound - areas[areas.count - 1 - areas.count * 25 / 1000]) < 1e-12)
        #expect(interval.upperBound - interval.lowerBound > 0.02)
    }

    /// Nearly all draws of two groups with one positive lack positives or negatives often.
    @Test func hasNoIntervalOfTooFewGroups() throws {
        let area = try #require(AreaUnderCurve([([2], [true]), ([1], [false])]))
        #expect(area.value == 1 && area.interval == nil)
    }
}
