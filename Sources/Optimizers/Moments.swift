import Base
import Kernels

/// What a rank keeps for each of its parameters: running means of the gradients and, for AdamW, of their squares. The
/// running mean of the parameters themselves is divided over the ranks, sent and saved in the same way.
package enum Moment: String, Sendable {
    /// m, of the gradients.
    case first
    /// v, of their squares.
    case second
    /// a, of the parameters; see `WeightAverage`.
    case average
}

/// One rank's moments: those of its parts of the flat buffer, one part after the other.
package struct MomentParts: @unchecked Sendable {
    package let parts: [Range<Int>]
    package let kinds: [Moment]
    /// `second` is empty if the rule has no second moment.
    package let first, second: UnsafeMutablePointer<Float>
    /// Nil if no average is kept.
    package let average: UnsafeMutablePointer<Float>?

    package init(_ parts: [Range<Int>], kinds: [Moment], in arena: inout Arena) throws {
        let count = parts.reduce(0) { $0 + $1.count }
        self.parts = parts
        self.kinds = kinds
        first = try arena.floats(count)
        second = try arena.floats(kinds.contains(.second) ? count : 0)
        average = kinds.contains(.average) ? try arena.floats(count) : nil
    }

    package var count: Int { parts.reduce(0) { $0 + $1.count } }

    package func values(_ moment: Moment) -> UnsafeMutablePointer<Float> {
        switch moment {
        case .first: return first
        case .second: return second
        case .average:
            guard let average else { preconditionFailure("an average that is not kept") }
            return average
        }
    }

    /// The values of `moment` at `range` of the flat buffer, which must lie inside one part.
    package func values(_ moment: Moment, at range: Range<Int>) -> UnsafeMutablePointer<Float> {
        var position = 0
        for part in parts {
            if part.lowerBound <= range.lowerBound && range.upperBound <= part.upperBound {
                return values(moment) + (position + range.lowerBound - part.lowerBound)
            }
            position += part.count
        }
        preconditionFailure("moments that another rank owns")
    }
}
