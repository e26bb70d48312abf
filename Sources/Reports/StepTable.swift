import Checkpoints

/// Columns of numbers over steps that rise from row to row; NaN where a row has none.
struct StepTable {
    /// The steps done at each row.
    private(set) var steps: [Int] = []
    private var columns: [LogField: [Double]] = [:]

    /// Whether no row has a number in `name`.
    func isEmpty(_ name: LogField) -> Bool { columns[name]?.allSatisfy(\.isNaN) ?? true }

    /// The numbers of column `name`, one a row.
    func column(_ name: LogField) -> [Double] {
        let values = columns[name] ?? []
        return values + [Double](repeating: .nan, count: steps.count - values.count)
    }

    /// The last number of column `name`.
    func last(_ name: LogField) -> Double? { columns[name]?.last { !$0.isNaN } }

    /// Adds `values` to the row of `step`: to the last one if that is of this step and has none of them, else to a new one.
    ///
    /// Where the step is not beyond the last row's, the run has gone back to it: the rows from it on are dropped, and the result
    /// is the step that the last of them had.
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
        let count = steps.partitioningIndex { $0 >= step }
        steps.removeLast(steps.count - count)
        columns = columns.mapValues { Array($0.prefix(count)) }
    }
}

extension Array {
    /// The first index whose element is `beyond`, of elements of which all before are not and all after are.
    func partitioningIndex(_ beyond: (Element) -> Bool) -> Int {
        var (low, high) = (0, count)
        while low < high {
            let middle = (low + high) / 2
            if beyond(self[middle]) { high = middle } else { low = middle + 1 }
        }
        return low
    }
}
