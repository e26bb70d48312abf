/// A column of numbers over steps, thinned out to what a chart can show.
struct SampledColumn: Equatable {
    /// Points of a chart at most; a wide chart has about as many pixels.
    static let pointLimit = 500

    /// The steps of the points; the middle of the steps that a point stands for. NaN in `mean` where the line breaks.
    private(set) var steps: [Double] = []
    /// The means of the points' numbers.
    private(set) var mean: [Double] = []
    /// The least and the greatest of the points' numbers.
    private(set) var low: [Double] = []
    private(set) var high: [Double] = []
    /// Steps that a point stands for.
    let width: Int

    /// Whether there is no number.
    var isEmpty: Bool { mean.allSatisfy(\.isNaN) }

    /// Thins out `values`, NaN where there is none, over `steps`, which rise. Points stand for equal ranges of steps in `range`,
    /// so that columns of the same range have the same points.
    ///
    /// `isContinuous` says that a number is expected at every step: the line breaks where there is none. Otherwise, as for
    /// evaluations, it goes on to the next.
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
            // A lone number stays where it is.
            append(
                count == 1 ? Double(lastStep(values, steps, first..<row)) : middle, sum / Double(count), least, greatest
            )
        }
    }

    /// The steps that each of `limit` points of `range` stands for.
    static func width(of range: ClosedRange<Int>, limit: Int = SampledColumn.pointLimit) -> Int {
        (range.upperBound - range.lowerBound) / limit + 1
    }

    private func previousBucket(_ steps: [Int], _ row: Int, _ range: ClosedRange<Int>) -> Int {
        (steps[row - 1] - range.lowerBound) / width
    }

    private func lastStep(_ values: [Double], _ steps: [Int], _ rows: Range<Int>) -> Int {
        steps[rows.last { values[$0].isFinite } ?? rows.lowerBound]
    }

    /// A break before the first number would say nothing.
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
