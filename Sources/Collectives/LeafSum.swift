import Buffers
import Kernels

/// The lower levels of the tree of `TreeSum`, inside a rank: leaves come one after the other and are summed in a balanced
/// binary tree, ((0 + 1) + (2 + 3)) + ..., with one buffer a level for what waits for its other half.
public struct LeafSum: ~Copyable {
    private let levels: OwnedBuffer<Float>
    private let count: Int
    private let leaves: Int
    private var added = 0

    /// Memory to sum `leaves` leaves of `count` values, none for one leaf. Throws `Failure` when it is not to be had.
    public init(leaves: Int, count: Int) throws {
        levels = try OwnedBuffer<Float>(count: Self.levelCount(leaves: leaves) * count)
        self.count = count
        self.leaves = leaves
    }

    /// The number of buffers that `leaves` leaves need.
    public static func levelCount(leaves: Int) -> Int {
        var depth = 0
        while 1 << depth < leaves { depth += 1 }
        return depth
    }

    /// What the levels take.
    public var byteCount: Int { levels.bytes.count }

    /// Takes the next leaf, whose memory is free afterwards; that of the last one holds the sum of all.
    public mutating func add(_ leaf: UnsafeMutablePointer<Float>) {
        var level = 0
        // Every one bit in the number of leaves before is a sum that waits.
        while added >> level & 1 == 1 {
            merge(level, into: leaf)
            level += 1
        }
        added += 1
        if added < leaves { return (levels.pointer + level * count).update(from: leaf, count: count) }
        // Not a power of two: what still waits, the nearest first.
        for waiting in level..<Int.bitWidth - 1 where (added - 1) >> waiting & 1 == 1 { merge(waiting, into: leaf) }
        added = 0
    }

    private func merge(_ level: Int, into leaf: UnsafeMutablePointer<Float>) {
        Kernels.add(levels.pointer + level * count, leaf, sign: 1, count: count, into: leaf)
    }
}
