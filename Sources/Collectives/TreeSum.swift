import Buffers
import COpenMPI
import Kernels

/// Sums over all ranks in one balanced binary tree over the ranks' numbers: ((0 + 1) + (2 + 3)) + ...
///
/// Recursive vector halving with distance doubling: at distance 1, 2, 4, ... two ranks exchange halves of what they still
/// work on, and each adds its own; then the halves are gathered the other way round. That sends the least bytes, the large
/// pieces to the nearest rank. Both add the same two numbers, so all ranks hold the same bits; and they are those of a tree
/// over more leaves, of which every rank has summed a power of two itself (`LeafSum`).
///
/// Where the number of ranks is no power of two, those beyond the largest one first give their values to the first ranks:
/// the same bits for this number of ranks, and others for others.
/// Source: Thakur, Rabenseifner and Gropp, Optimization of Collective Communication Operations in MPICH (2005).
public struct TreeSum: ~Copyable {
    private let world: World
    private let received: OwnedBuffer<Float>

    /// The most values of a message: large enough that its start costs nothing, small enough to be in cache when it is added.
    public static let pieceCount = 1 << 20

    /// A tree over the ranks of `world`. Throws `Failure` when there is no memory for a piece of a message.
    public init(_ world: World) throws {
        received = try OwnedBuffer<Float>(count: world.size > 1 ? Self.pieceCount : 0)
        self.world = world
    }

    /// Replaces `values` by their sum over all ranks. Collective.
    public borrowing func sum(_ values: UnsafeMutablePointer<Float>, count: Int) {
        let (rank, everything) = (world.rank, 0..<count)
        var core = 1
        while 2 * core <= world.size { core *= 2 }
        guard rank < core else {
            exchange(values, sending: everything, receiving: 0..<0, with: rank - core, isAdding: false)
            return exchange(values, sending: 0..<0, receiving: everything, with: rank - core, isAdding: false)
        }
        let hasGuest = rank + core < world.size
        if hasGuest { exchange(values, sending: 0..<0, receiving: everything, with: rank + core, isAdding: true) }
        reduce(values, everything, distance: 1, core: core)
        if hasGuest { exchange(values, sending: everything, receiving: 0..<0, with: rank + core, isAdding: false) }
    }

    /// Halves `whole` with the rank at `distance`, goes on with the own half, and gathers the other one when that is summed.
    private borrowing func reduce(
        _ values: UnsafeMutablePointer<Float>, _ whole: Range<Int>, distance: Int, core: Int
    ) {
        guard distance < core else { return }
        let middle = whole.lowerBound + whole.count / 32 * 16
        let (lower, upper) = (whole.lowerBound..<middle, middle..<whole.upperBound)
        let (own, other) = world.rank & distance == 0 ? (lower, upper) : (upper, lower)
        let partner = world.rank ^ distance
        exchange(values, sending: other, receiving: own, with: partner, isAdding: true)
        reduce(values, own, distance: 2 * distance, core: core)
        exchange(values, sending: own, receiving: other, with: partner, isAdding: false)
    }

    /// Sends one range of `values` to `partner` and receives another, piece by piece.
    private borrowing func exchange(
        _ values: UnsafeMutablePointer<Float>, sending: Range<Int>, receiving: Range<Int>, with partner: Int,
        isAdding: Bool
    ) {
        let partner = Int32(partner)
        for start in stride(from: 0, to: max(sending.count, receiving.count), by: Self.pieceCount) {
            let sent = min(Self.pieceCount, max(0, sending.count - start))
            let expected = min(Self.pieceCount, max(0, receiving.count - start))
            let target = values + (receiving.lowerBound + (expected > 0 ? start : 0))
            MPI_Sendrecv(
                values + (sending.lowerBound + (sent > 0 ? start : 0)), Int32(sent), crate_mpi_float(), partner, 0,
                isAdding ? received.pointer : target, Int32(expected), crate_mpi_float(), partner, 0,
                world.communicator, crate_mpi_status_ignore())
            if isAdding { add(target, received.pointer, sign: 1, count: expected, into: target) }
        }
    }
}
