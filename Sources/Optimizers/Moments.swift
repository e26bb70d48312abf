import Base
import Kernels

/// The running means of the gradients and, for AdamW, of their squares.
package enum Moment: String, CaseIterable, Sendable {
    /// The mean of the gradients, m.
    case first
    /// The mean of their squares, v.
    case second
}

/// One rank's moments: those of its parts of the flat buffer, one part behind the other.
package struct MomentParts: @unchecked Sendable {
    package let parts: [Range<Int>]
    /// Which moments there are.
    package let kinds: [Moment]
    /// The second is without memory where there is none.
    package let first, second: UnsafeMutablePointer<Float>

    package init(_ parts: [Range<Int>], kinds: [Moment], in arena: inout Arena) throws {
        let count = parts.reduce(0) { $0 + $1.count }
        self.parts = parts
        self.kinds = kinds
        first = try arena.floats(count)
        second = try arena.floats(kinds.contains(.second) ? count : 0)
    }

    /// The number of values of each moment.
    package var count: Int { parts.reduce(0) { $0 + $1.count } }

    /// All values of `moment`.
    package func values(_ moment: Moment) -> UnsafeMutablePointer<Float> { moment == .first ? first : second }

    /// The values of `moment` at `range` of the flat buffer, which must lie in one of the parts.
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
