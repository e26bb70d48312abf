import Base
import Kernels

/// The lower levels of the tree of `TreeSum`, inside a rank: leaves come one after the other and are summed in a balanced
/// binary tree, ((0 + 1) + (2 + 3)) + ..., with one buffer a level for what waits for its other half.
package struct LeafSum: ~Copyable {
    private let levels: OwnedBuffer<Float>
    private let count: Int
    private let wire: WireFormat
    private var added = 0

    /// Memory to sum `leaves` leaves of `count` values, none for one leaf. Throws `Failure` when it is not to be had.
    package init(leaves: Int, count: Int, wire: WireFormat) throws {
        levels = try OwnedBuffer<Float>(count: Self.levelCount(leaves: leaves) * count)
        self.count = count
        self.wire = wire
    }

    /// The number of buffers that `leaves` leaves need.
    package static func levelCount(leaves: Int) -> Int {
        var depth = 0
        while 1 << depth < leaves { depth += 1 }
        return depth
    }

    /// What the levels take.
    package var byteCount: Int { levels.bytes.count }

    /// Takes a leaf that is not the last one. Its memory is free afterwards.
    package mutating func add(_ leaf: UnsafeMutablePointer<Float>) {
        var level = 0
        // Every one bit in the number of leaves before is a sum that waits.
        while added >> level & 1 == 1 {
            merge(level, into: leaf, 0..<count)
            level += 1
        }
        added += 1
        (levels.pointer + level * count).update(from: leaf, count: count)
    }

    /// Makes `range` of the last leaf the sum of all; what still waits comes the nearest first.
    package borrowing func complete(_ leaf: UnsafeMutablePointer<Float>, _ range: Range<Int>) {
        for waiting in 0..<Int.bitWidth - 1 where added >> waiting & 1 == 1 { merge(waiting, into: leaf, range) }
    }

    /// Forgets the leaves.
    package mutating func reset() { added = 0 }

    private borrowing func merge(_ level: Int, into leaf: UnsafeMutablePointer<Float>, _ range: Range<Int>) {
        let (sum, own) = (levels.pointer + (level * count + range.lowerBound), leaf + range.lowerBound)
        if wire == .bf16 {
            for addend in [sum, own] { convert(addend, count: range.count, into: Operand(addend, .roundedFloat32)) }
        }
        Kernels.add(sum, own, sign: 1, count: range.count, into: own)
    }
}
