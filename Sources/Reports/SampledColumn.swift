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
        width = Self.width(of: range, limit: limit)
        var row = 0
        while row < steps.count {
            let bucket = (steps[row] - range.lowerBound) / width
            var (sum, count, least, greatest) = (0.0, 0, Double.infinity, -Double.infinity)
            let first = row
            while row < steps.count, (steps[row] - range.lowerBound) / width == bucket {
                let value = values[row]
                row += 1
                guard value.isFinite else { continue }
                (sum, count) = (sum + value, count + 1)
                (least, greatest) = (min(least, value), max(greatest, value))
            }
            let isGap = first > 0 && (steps[first] - range.lowerBound) / width > previousBucket(steps, first, range) + 1
            if isContinuous && (isGap || count == 0) { addBreak(at: steps[first]) }
            guard count > 0 else { continue }
            let middle = Double(range.lowerBound + bucket * width) + Double(width - 1) / 2
            // A single number keeps its step.
            append(
                count == 1 ? Double(lastStep(values, steps, first..<row)) : middle, sum / Double(count), least, greatest
            )
        }
    }

    /// Steps per point for at most `limit` points of `range`.
    static func width(of range: ClosedRange<Int>, limit: Int = SampledColumn.pointLimit) -> Int {
        (range.upperBound - range.lowerBound) / limit + 1
    }

    private func previousBucket(_ steps: [Int], _ row: Int, _ range: ClosedRange<Int>) -> Int {
        (steps[row - 1] - range.lowerBound) / width
    }

    private func lastStep(_ values: [Double], _ steps: [Int], _ rows: Range<Int>) -> Int {
        steps[rows.last { values[$0].isFinite } ?? rows.lowerBound]
    }

    /// A break before the first number is meaningless.
    private mutating func addBreak(at step: Int) {
        if let last = mean.last, !last.isNaN { append(Double(step), .nan, .nan, .nan) }
    }

    private mutating func append(_ step: Double, _ value: Double, _ least: Double, _ greatest: Double) {
        steps.append(step)
        mean.append(value)
        low.append(least)
        high.append(greatest)
    }
}
