import Base
import COpenMPI
import Kernels

private let pieceCount = GradientExchange.pieceCount

package enum WireFormat: String, CaseIterable, Codable, Sendable {
    case fp32
    /// Rounded to bf16, half the bytes. Both addends of every sum in the tree are rounded, also within a rank, so the
    /// result has the same bits for any number of ranks.
    case bf16
}

/// Sums buckets over all ranks in one balanced binary tree over the rank numbers, ((0 + 1) + (2 + 3)) + ..., which
/// leaves each rank with the sum of its part; later gathers the updated parts.
///
/// Recursive vector halving with distance doubling: at distance 1, 2, 4, ... two ranks exchange halves of their current
/// range, and each adds its own half. This sends the fewest bytes, with the largest messages to the nearest ranks. The
/// sums are those of a tree over more leaves, of which every rank has already summed a power of two (`LeafSum`).
///
/// If the number of ranks is not a power of two, the ranks beyond the largest power of two own nothing and hand their
/// values to the first ranks. The bits then depend on the number of ranks. Source: Thakur, Rabenseifner and Gropp,
/// Optimization of Collective Communication Operations in MPICH (2005).
struct TreeSum: ~Copyable {
    private let world: World
    private let wire: WireFormat
    private let outgoing, incoming: Operand
    private let arena: Arena
}

extension TreeSum {
    /// Throws `Failure` if memory for the message buffers is short.
    init(_ world: World, wire: WireFormat) throws {
        let isRounding = wire == .bf16
        let count = world.size > 1 ? pieceCount : 0
        var arena = Arena()
        let outgoing = try arena.operands(isRounding ? count : 0, .bfloat16)
        let incoming = try arena.operands(count, isRounding ? .bfloat16 : .float32)
        self.init(world: world, wire: wire, outgoing: outgoing, incoming: incoming, arena: arena)
    }

    /// Leaves the sum over all ranks in this rank's part of `bucket`; the rest of the bucket is overwritten. Collective.
    borrowing func reduce(_ values: UnsafeMutablePointer<Float>, _ bucket: Range<Int>) {
        let core = Partition.core(of: world.size)
        if world.rank >= core {
            return exchange(values, sending: bucket, receiving: 0..<0, with: world.rank - core, isAdding: true)
        }
        if world.rank + core < world.size {
            exchange(values, sending: 0..<0, receiving: bucket, with: world.rank + core, isAdding: true)
        }
        var (whole, distance) = (bucket, 1)
        while distance < core {
            let (own, other) = Partition.halves(of: whole, rank: world.rank, distance: distance)
            exchange(values, sending: other, receiving: own, with: world.rank ^ distance, isAdding: true)
            (whole, distance) = (own, 2 * distance)
        }
    }

    /// Fills the whole `bucket` with each part's values from its owner. Collective.
    borrowing func gather(_ values: UnsafeMutablePointer<Float>, _ bucket: Range<Int>) {
        let core = Partition.core(of: world.size)
        if world.rank >= core {
            return exchange(values, sending: 0..<0, receiving: bucket, with: world.rank - core, isAdding: false)
        }
        gather(values, bucket, distance: 1, core: core)
        if world.rank + core < world.size {
            exchange(values, sending: bucket, receiving: 0..<0, with: world.rank + core, isAdding: false)
        }
    }

    private borrowing func gather(
        _ values: UnsafeMutablePointer<Float>, _ whole: Range<Int>, distance: Int, core: Int
    ) {
        guard distance < core else { return }
        let (own, other) = Partition.halves(of: whole, rank: world.rank, distance: distance)
        gather(values, own, distance: 2 * distance, core: core)
        exchange(values, sending: own, receiving: other, with: world.rank ^ distance, isAdding: false)
    }

    /// Sends one range of `values` to `partner` and receives another, which is added (`isAdding`) or replaces the
    /// values; both piece by piece.
    private borrowing func exchange(
        _ values: UnsafeMutablePointer<Float>, sending: Range<Int>, receiving: Range<Int>, with partner: Int,
        isAdding: Bool
    ) {
        let isRounding = isAdding && wire == .bf16
        let bytes = isRounding ? 2 : 4
        for offset in stride(from: 0, to: max(sending.count, receiving.count), by: pieceCount) {
            let (sending, receiving) = (sending.piece(offset), receiving.piece(offset))
            let (source, target) = (values + sending.lowerBound, values + receiving.lowerBound)
            if isRounding { convert(source, count: sending.count, into: outgoing) }
            withUnsafeTemporaryAllocation(of: MPI_Request?.self, capacity: 2) { requests in
                requests.initialize(repeating: crate_mpi_request_null())
                if !receiving.isEmpty {
                    MPI_Irecv(
                        isAdding ? incoming.memory : UnsafeMutableRawPointer(target), Int32(bytes * receiving.count),
                        crate_mpi_byte(), Int32(partner), 0, world.gradients, &requests[0])
                }
                if !sending.isEmpty {
                    MPI_Isend(
                        isRounding ? outgoing.memory : UnsafeMutableRawPointer(source), Int32(bytes * sending.count),
                        crate_mpi_byte(), Int32(partner), 0, world.gradients, &requests[1])
                }
                world.watchdog.wait(requests.baseAddress!, count: 2)
            }
            guard isAdding else { continue }
            if isRounding { convert(target, count: receiving.count, into: Operand(target, .roundedFloat32)) }
            add(target, incoming, count: receiving.count, into: target)
        }
    }
}

extension Range<Int> {
    /// The piece that starts at `offset` in the range; empty beyond the end.
    fileprivate func piece(_ offset: Int) -> Range<Int> {
        let start = Swift.min(lowerBound + offset, upperBound)
        return start..<Swift.min(start + pieceCount, upperBound)
    }
}

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
