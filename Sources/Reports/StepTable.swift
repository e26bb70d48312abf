import Checkpoints

/// Columns of numbers over rising steps; NaN if a row has none.
struct StepTable {
    /// Steps done at each row.
    private(set) var steps: [Int] = []
    private var columns: [LogField: [Double]] = [:]

    func isEmpty(_ name: LogField) -> Bool { columns[name]?.allSatisfy(\.isNaN) ?? true }

    /// One number per row.
    func column(_ name: LogField) -> [Double] {
        let values = columns[name] ?? []
        return values + [Double](repeating: .nan, count: steps.count - values.count)
    }

    func last(_ name: LogField) -> Double? { columns[name]?.last { !$0.isNaN } }

    /// The rows with a positive number, those of consecutive steps as one range, with the sum of their numbers.
    func ranges(_ name: LogField) -> [(first: Int, last: Int, total: Double)] {
        var ranges: [(first: Int, last: Int, total: Double)] = []
        for (step, value) in zip(steps, column(name)) where value > 0 {
            if let range = ranges.last, step == range.last + 1 {
                ranges[ranges.count - 1] = (range.first, step, range.total + value)
            } else {
                ranges.append((step, step, value))
            }
        }
        return ranges
    }

    /// Adds `values` to the row of `step`: to the last row if it is of this step and has none of them, otherwise to a new row.
    ///
    /// If the step is not after the last row's, the run was resumed from before it: later rows are dropped, and the result is the step of the
    /// last of them.
    mutating func add(_ values: [LogField: Double], step: Int) -> Int? {
        let isSameRow = steps.last == step && values.keys.allSatisfy { !hasLast($0) }
        var abandoned: Int?
        if !isSameRow, let last = steps.last, step <= last {
            abandoned = last
            keepRows(before: step)
        }
        if !isSameRow { steps.append(step) }
        for (name, value) in values {
            let missing = steps.count - 1 - (columns[name]?.count ?? 0)
            if missing > 0 { columns[name, default: []] += [Double](repeating: .nan, count: missing) }
            columns[name, default: []].append(value)
        }
        return abandoned
    }

    private func hasLast(_ name: LogField) -> Bool { columns[name]?.count == steps.count }

    private mutating func keepRows(before step: Int) {
        while let last = steps.last, last >= step { steps.removeLast() }
        columns = columns.mapValues { Array($0.prefix(steps.count)) }
    }
}

/// A column of numbers over steps, reduced to what a chart can show.
struct SampledColumn: Equatable {
    /// The most points of a chart; a wide chart has about as many pixels.
    static let pointLimit = 500

    /// Steps of the points: the middle of the range that a point stands for. NaN in `mean` breaks the line.
    private(set) var steps: [Double] = []
    /// Mean of each point's numbers.
    private(set) var mean: [Double] = []
    /// Minimum and maximum of each point's numbers.
    private(set) var low: [Double] = []
    private(set) var high: [Double] = []
    /// Steps per point.
    let width: Int

    var isEmpty: Bool { mean.allSatisfy(\.isNaN) }

    /// Reduces `values` (NaN if missing) over the rising `steps`. Points stand for equal ranges of steps in `range`, so columns of the same
    /// range have the same points.
    ///
    /// `isContinuous` expects a number at every step and breaks the line where there is none. Otherwise, as for evaluations, the line
    /// continues to the next.
    init(
        _ values: [Double], steps: [Int], range: ClosedRange<Int>, isContinuous: Bool,
        limit: Int = SampledColumn.pointLimit
    ) {
        let width = Self.width(of: range, limit: limit)
        self.width = width
        func bucket(_ row: Int) -> Int { (steps[row] - range.lowerBound) / width }
        var row = 0
        while row < steps.count {
            let (first, bucketOfRow) = (row, bucket(row))
            row = steps.indices[first...].first { bucket($0) != bucketOfRow } ?? steps.count
            let known = (first..<row).filter { values[$0].isFinite }
            let isGap = first > 0 && bucketOfRow > bucket(first - 1) + 1
            // A break before the first number is meaningless.
            if isContinuous, isGap || known.isEmpty, let last = mean.last, !last.isNaN {
                append(Double(steps[first]), .nan, .nan, .nan)
            }
            guard let only = known.first else { continue }
            let numbers = known.map { values[$0] }
            let middle = Double(range.lowerBound + bucketOfRow * width) + Double(width - 1) / 2
            // A single number keeps its step.
            append(
                known.count == 1 ? Double(steps[only]) : middle, numbers.reduce(0, +) / Double(known.count),
                numbers.min() ?? .nan, numbers.max() ?? .nan)
        }
    }

    /// Steps per point for at most `limit` points of `range`.
    static func width(of range: ClosedRange<Int>, limit: Int = SampledColumn.pointLimit) -> Int {
        (range.upperBound - range.lowerBound) / limit + 1
    }

    private mutating func append(_ step: Double, _ value: Double, _ least: Double, _ greatest: Double) {
        steps.append(step)
        mean.append(value)
        low.append(least)
        high.append(greatest)
    }
}

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
