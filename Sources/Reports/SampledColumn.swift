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
            if isContinuous && (isGap || known.isEmpty) { addBreak(at: steps[first]) }
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
