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
