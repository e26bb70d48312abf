import Base

/// The area under the ROC curve of scores that shall be high where something is to be found: the probability that a positive has a higher
/// score than a negative, where equal scores count one half.
///
/// Scores come in groups, such as the pixels of an image: all are compared with all, but an interval draws whole groups.
package struct AreaUnderCurve: Sendable {
    /// The area, from 0 to 1.
    package let value: Double
    package let positives: Int
    package let negatives: Int
    /// 95% interval: from the 2.5th to the 97.5th percentile of 1,000 draws of as many groups with replacement. Nil if there are too many
    /// groups to compare each with each, or if nearly all draws lack positives or negatives.
    package let interval: ClosedRange<Double>?

    /// Bytes of the comparisons of groups with groups, beyond which there is no interval.
    private static let comparisonLimit = 1 << 28

    /// `groups` are finite scores, and for each whether it is a positive. Nil unless there are positives and negatives.
    package init?(_ groups: [(scores: [Float], isPositive: [Bool])]) {
        let hasPositive = groups.map { $0.isPositive.contains(true) }
        // Groups with positives get a row of comparisons.
        var rows: [Int?] = []
        for has in hasPositive { rows.append(has ? rows.count { $0 != nil } : nil) }
        let rowCount = hasPositive.count { $0 }
        let isCompared = rowCount * groups.count <= Self.comparisonLimit / MemoryLayout<Double>.stride
        var sweep = Sweep(rows: isCompared ? rowCount : 0, groups: groups.count)
        sweep.run(over: Self.sorted(groups), rows: rows)
        let (positives, negatives) = (sweep.positives.reduce(0, +), sweep.negatives.reduce(0, +))
        guard positives > 0, negatives > 0 else { return nil }
        self.positives = positives
        self.negatives = negatives
        value = Double(sweep.doubledWins) / 2 / (Double(positives) * Double(negatives))
        interval = isCompared ? sweep.interval(rows: rows) : nil
    }

    /// Of all values in ascending order: the score's bits in the order of the scores, the group, and whether it is a positive.
    private static func sorted(_ groups: [(scores: [Float], isPositive: [Bool])]) -> [UInt64] {
        var entries: [UInt64] = []
        entries.reserveCapacity(groups.reduce(0) { $0 + $1.scores.count })
        for (group, values) in groups.enumerated() {
            precondition(values.scores.count == values.isPositive.count, "each score is of a positive or a negative")
            for (score, isPositive) in zip(values.scores, values.isPositive) {
                // Not -0, which equals 0.
                let bits = (score + 0).bitPattern
                let ordered = bits >> 31 == 0 ? bits | 1 << 31 : ~bits
                entries.append(UInt64(ordered) << 32 | UInt64(group) << 1 | (isPositive ? 1 : 0))
            }
        }
        entries.sort()
        return entries
    }
}

/// Counts, for the positives of each group, the negatives of each group with lower scores.
private struct Sweep {
    private let groups: Int
    private let rowCount: Int
    var positives: [Int]
    var negatives: [Int]
    /// Twice the pairs in order, a tie being one half of a pair.
    var doubledWins: UInt64 = 0
    /// The same for positives of a row's group and negatives of a column's.
    private var comparisons: [Double]

    init(rows: Int, groups: Int) {
        (rowCount, self.groups) = (rows, groups)
        positives = [Int](repeating: 0, count: groups)
        negatives = positives
        comparisons = [Double](repeating: 0, count: rows * groups)
    }

    mutating func run(over entries: [UInt64], rows: [Int?]) {
        var below: UInt64 = 0
        var first = 0
        while first < entries.count {
            var last = first
            var equal: UInt64 = 0
            while last < entries.count, entries[last] >> 32 == entries[first] >> 32 {
                equal += entries[last] & 1 ^ 1
                last += 1
            }
            // With the negatives below, then with these and the equal ones: a tie counts once of twice.
            addWins(entries[first..<last], rows)
            for entry in entries[first..<last] where entry & 1 == 0 { negatives[Self.group(entry)] += 1 }
            addWins(entries[first..<last], rows)
            for entry in entries[first..<last] where entry & 1 == 1 {
                positives[Self.group(entry)] += 1
                doubledWins += 2 * below + equal
            }
            below += equal
            first = last
        }
    }

    private static func group(_ entry: UInt64) -> Int { Int(entry >> 1 & 0x7FFF_FFFF) }

    private mutating func addWins(_ entries: ArraySlice<UInt64>, _ rows: [Int?]) {
        guard rowCount > 0 else { return }
        for entry in entries where entry & 1 == 1 {
            guard let row = rows[Self.group(entry)] else { continue }
            for group in 0..<groups { comparisons[row * groups + group] += Double(negatives[group]) }
        }
    }

    func interval(rows: [Int?]) -> ClosedRange<Double>? {
        var generator = KeyedGenerator(seed: 0, .resampling)
        let areas = (0..<1000).compactMap { _ in
            var weights = [Double](repeating: 0, count: groups)
            for _ in 0..<groups { weights[generator.index(below: groups)] += 1 }
            return area(weights, rows)
        }.sorted()
        guard areas.count >= 900 else { return nil }
        return areas[areas.count * 25 / 1000]...areas[areas.count - 1 - areas.count * 25 / 1000]
    }

    /// The area if group g occurs `weights[g]` times; nil without positives or negatives.
    private func area(_ weights: [Double], _ rows: [Int?]) -> Double? {
        var (wins, weighedPositives, weighedNegatives) = (0.0, 0.0, 0.0)
        for group in 0..<groups {
            weighedPositives += weights[group] * Double(positives[group])
            weighedNegatives += weights[group] * Double(negatives[group])
            guard let row = rows[group], weights[group] > 0 else { continue }
            var sum = 0.0
            for other in 0..<groups { sum += weights[other] * comparisons[row * groups + other] }
            wins += weights[group] * sum
        }
        let pairs = weighedPositives * weighedNegatives
        return pairs > 0 ? wins / 2 / pairs : nil
    }
}
