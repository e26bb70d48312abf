/// How often each rank was the slowest, over ranges of steps.
struct RankShares {
    /// The most ranks in a chart.
    static let rowLimit = 32
    private static let columnLimit = 60

    /// One series per rank: its share of the steps of each range in %.
    private(set) var rows: [Chart.Series] = []
    /// Whether all ranks are included.
    private(set) var isComplete = true
    let width: Int

    init(_ table: StepTable, in range: ClosedRange<Int>) {
        width = SampledColumn.width(of: range, limit: Self.columnLimit)
        var counts: [Int: [Int: Int]] = [:]
        var (sums, totals): ([Int: Int], [Int: Int]) = ([:], [:])
        for (step, value) in zip(table.steps, table.column(.slowestRank)) {
            guard value.isFinite, let rank = Int(exactly: value), rank >= 0 else { continue }
            let bucket = (step - range.lowerBound) / width
            counts[rank, default: [:]][bucket, default: 0] += 1
            totals[rank, default: 0] += 1
            sums[bucket, default: 0] += 1
        }
        let ranks = totals.sorted { ($1.value, $0.key) < ($0.value, $1.key) }.prefix(Self.rowLimit).map(\.key).sorted()
        isComplete = ranks.count == totals.count
        let buckets = sums.keys.sorted()
        let middles = buckets.map { Double(range.lowerBound + $0 * width) + Double(width - 1) / 2 }
        rows = ranks.map { rank in
            let shares = buckets.map { 100 * Double(counts[rank]?[$0] ?? 0) / Double(sums[$0] ?? 1) }
            return Chart.Series(name: "\(rank)", x: middles, y: shown(shares))
        }
    }
}
