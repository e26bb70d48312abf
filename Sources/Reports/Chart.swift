import Foundation

/// A chart as the page's script draws it; every text is shown as it is, whatever it holds.
struct Chart: Encodable {
    /// How it is drawn.
    enum Kind: String, Encodable {
        /// A line a series.
        case lines
        /// Areas on top of each other.
        case stack
        /// A coloured field of `rows` by the points of the first series.
        case heat
    }

    /// An axis.
    struct Axis: Encodable {
        /// What is along it, with its unit.
        var title: String
        /// Whether equal distances are equal ratios.
        var isLogarithmic = false
        /// Whether it begins at 0.
        var beginsAtZero = false
        /// Whether only whole numbers are marked.
        var isWhole = false
    }

    /// One line, one area, or one row of a heat map.
    struct Series: Encodable {
        /// Its name.
        var name: String
        /// Where its points are on the horizontal axis.
        var x: [Double]
        /// Their values, none where the line breaks.
        var y: [Double?]
        /// How far the values behind each point spread.
        var low: [Double?] = []
        var high: [Double?] = []
        /// Whether `low` and `high` are a mark at each point rather than a band.
        var hasBars = false
        /// Whether points are marked.
        var hasPoints = false
        /// Whether the line is dashed.
        var isDashed = false
        /// Its colour: a number of the palette.
        var colour = 0
        /// Its colour as a place from 0 to 1 between the ends of the ramp, instead of one of the palette.
        var ramp: Double?
    }

    /// A value that is worth a line across.
    struct Rule: Encodable {
        var name: String
        var value: Double
    }

    /// Something that happened at a place along the horizontal axis.
    struct Mark: Encodable {
        var x: Double
        var text: String
    }

    /// Its name in the page, for links and tests.
    var id: String
    /// What it shows.
    var title: String
    /// How it is to be read, in a sentence.
    var note: String
    var kind = Kind.lines
    var x = Axis(title: "step")
    var y: Axis
    var series: [Series]
    var rules: [Rule] = []
    /// What happened on the way.
    var marks: [Mark] = []
    /// Steps that a point stands for.
    var stepsPerPoint: Int?
    /// Epochs of a step, where x is steps.
    var epochsPerStep: Double?
    /// Whether it takes the width of two.
    var isWide = false
}

extension Chart.Axis {
    /// An axis for `values`: logarithmic where they are positive and the greatest is more than `ratio` times the least.
    init(title: String, fitting values: [Double], ratio: Double) {
        let known = values.filter(\.isFinite)
        let (least, greatest) = (known.min() ?? 0, known.max() ?? 0)
        self.init(title: title, isLogarithmic: least > 0 && greatest > ratio * least)
    }
}

extension Chart.Series {
    /// The series of `column`, its values times `scale`.
    init(_ name: String, _ column: SampledColumn, scale: Double = 1, colour: Int = 0) {
        self.init(name: name, x: column.steps, y: shown(column.mean, scale), colour: colour)
        if column.low != column.high { (low, high) = (shown(column.low, scale), shown(column.high, scale)) }
    }
}

/// `values` times `scale`, with six digits, and none for what is not finite.
func shown(_ values: [Double], _ scale: Double = 1) -> [Double?] {
    values.map { value in
        let value = value * scale
        guard value.isFinite else { return nil }
        guard value != 0 else { return 0 }
        // Powers of ten are exact up to 22, so that the result has no more digits than it needs.
        let exponent = 5 - Int(log10(abs(value)).rounded(.down))
        let power = pow(10, Double(abs(exponent)))
        let result = exponent < 0 ? (value / power).rounded() * power : (value * power).rounded() / power
        return result.isFinite ? result : value
    }
}

/// `charts` as JSON that a script element can hold, whatever their texts are.
func embedded(_ charts: [Chart]) throws -> String {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys]
    return String(decoding: try encoder.encode(charts), as: UTF8.self).replacingOccurrences(of: "<", with: "\\u003c")
}
