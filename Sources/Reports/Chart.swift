import Foundation

/// A chart, drawn by the page's script; all text is shown literally.
struct Chart: Encodable {
    enum Kind: String, Encodable {
        case lines
        case stack
        /// A heat map of `rows` by the points of the first series.
        case heat
    }

    struct Axis: Encodable {
        /// Label with its unit.
        var title: String
        var isLogarithmic = false
        var beginsAtZero = false
        /// Whether only integers are marked.
        var isWhole = false
    }

    /// One line, one area, or one row of a heat map.
    struct Series: Encodable {
        var name: String
        /// Horizontal positions of the points.
        var x: [Double]
        /// Nil where the line breaks.
        var y: [Double?]
        /// The spread behind each point.
        var low: [Double?] = []
        var high: [Double?] = []
        /// Whether `low` and `high` are error bars rather than a band.
        var hasBars = false
        var hasPoints = false
        var isDashed = false
        /// Index of the run that it belongs to, in a page of several.
        var run: Int?
        /// Index into the palette.
        var colour = 0
        /// Position from 0 to 1 on the colour ramp, instead of a palette colour.
        var ramp: Double?
    }

    struct Rule: Encodable {
        var name: String
        var value: Double
    }

    /// An event at a horizontal position.
    struct Mark: Encodable {
        var x: Double
        var text: String
    }

    /// Its id in the page, for links and tests.
    var id: String
    var title: String
    /// A sentence on how to read it.
    var note: String
    var kind = Kind.lines
    var x = Axis(title: "step")
    var y: Axis
    var series: [Series]
    var rules: [Rule] = []
    var marks: [Mark] = []
    var stepsPerPoint: Int?
    /// Epochs per step, if x is steps.
    var epochsPerStep: Double?
    /// Whether it takes the width of two charts.
    var isWide = false
}

extension Chart.Axis {
    /// An axis for `values`: logarithmic if they are positive and the maximum is more than `ratio` times the minimum.
    init(title: String, fitting values: [Double], ratio: Double) {
        let known = values.filter(\.isFinite)
        let (least, greatest) = (known.min() ?? 0, known.max() ?? 0)
        self.init(title: title, isLogarithmic: least > 0 && greatest > ratio * least)
    }
}

extension Chart.Series {
    /// The series of `column`, scaled by `scale`.
    init(_ name: String, _ column: SampledColumn, scale: Double = 1, colour: Int = 0) {
        self.init(name: name, x: column.steps, y: shown(column.mean, scale), colour: colour)
        if column.low != column.high { (low, high) = (shown(column.low, scale), shown(column.high, scale)) }
    }
}

/// `values` times `scale` with six digits, nil for values that are not finite.
func shown(_ values: [Double], _ scale: Double = 1) -> [Double?] {
    values.map { value in
        let value = value * scale
        guard value.isFinite else { return nil }
        guard value != 0 else { return 0 }
        // Powers of ten are exact up to 22, so the result has no more digits than needed.
        let exponent = 5 - Int(log10(abs(value)).rounded(.down))
        let power = pow(10, Double(abs(exponent)))
        let result = exponent < 0 ? (value / power).rounded() * power : (value * power).rounded() / power
        return result.isFinite ? result : value
    }
}

/// `value` as JSON that is safe inside a script element.
func embedded(_ value: some Encodable) throws -> String {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys]
    return String(decoding: try encoder.encode(value), as: UTF8.self).replacingOccurrences(of: "<", with: "\\u003c")
}
