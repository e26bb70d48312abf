import Base
import Kernels

/// The levels of the `TreeSum` tree inside one rank. Leaves arrive one by one and are summed in a balanced binary tree,
/// ((0 + 1) + (2 + 3)) + ..., with one buffer per level for a sum that waits for its sibling.
package struct LeafSum: ~Copyable {
    private let levels: OwnedBuffer<Float>
    private let count: Int
    private let wire: WireFormat
    private var added = 0

    /// Buffers for `leaves` leaves of `count` values; none for one leaf. Throws `Failure` if memory is short.
    package init(leaves: Int, count: Int, wire: WireFormat) throws {
        levels = try OwnedBuffer<Float>(count: Self.levelCount(leaves: leaves) * count)
        self.count = count
        self.wire = wire
    }

    /// The number of buffers for `leaves` leaves, ceil(log2(leaves)).
    package static func levelCount(leaves: Int) -> Int {
        var depth = 0
        while 1 << depth < leaves { depth += 1 }
        return depth
    }

    package var byteCount: Int { levels.bytes.count }

    /// Adds a leaf that is not the last one. Its memory can be reused afterwards.
    package mutating func add(_ leaf: UnsafeMutablePointer<Float>) {
        var level = 0
        // Each set bit in the number of leaves so far is a level with a waiting sum.
        while added >> level & 1 == 1 {
            merge(level, into: leaf, 0..<count)
            level += 1
        }
        added += 1
        (levels.pointer + level * count).update(from: leaf, count: count)
    }

    /// Turns `range` of the last leaf into the sum of all leaves, adding the waiting sums from the lowest level up.
    package borrowing func complete(_ leaf: UnsafeMutablePointer<Float>, _ range: Range<Int>) {
        for waiting in 0..<Int.bitWidth - 1 where added >> waiting & 1 == 1 { merge(waiting, into: leaf, range) }
    }

    package mutating func reset() { added = 0 }

    private borrowing func merge(_ level: Int, into leaf: UnsafeMutablePointer<Float>, _ range: Range<Int>) {
        let (sum, own) = (levels.pointer + (level * count + range.lowerBound), leaf + range.lowerBound)
        if wire == .bf16 {
            for addend in [sum, own] { convert(addend, count: range.count, into: Operand(addend, .roundedFloat32)) }
        }
        Kernels.add(sum, own, sign: 1, count: range.count, into: own)
    }
}
