import COpenMPI
import Files

/// The processes that train together. Without a launcher there is one, rank 0.
///
/// Every function that exchanges something is collective: all ranks must call it, in the same order. One thread of
/// a process may use it.
public struct World: @unchecked Sendable {
    /// This process's number, 0 ..< size.
    public let rank: Int
    /// The number of processes.
    public let size: Int
    let communicator: MPI_Comm

    /// Starts MPI. Call it once, and `finish` at the end.
    public static func start() throws -> World {
        var provided: Int32 = 0
        guard MPI_Init_thread(nil, nil, Int32(MPI_THREAD_FUNNELED), &provided) == MPI_SUCCESS else {
            throw Failure("MPI does not start", hint: "start the program with mpirun, or alone")
        }
        var (rank, size): (Int32, Int32) = (0, 1)
        let communicator = crate_mpi_comm_world()
        MPI_Comm_rank(communicator, &rank)
        MPI_Comm_size(communicator, &size)
        return World(rank: Int(rank), size: Int(size), communicator: communicator!)
    }

    /// Waits for all ranks and stops MPI.
    public func finish() {
        MPI_Barrier(communicator)
        MPI_Finalize()
    }

    /// Replaces `values` by their sum over all ranks.
    public func sum(_ values: UnsafeMutableBufferPointer<Double>) {
        MPI_Allreduce(
            crate_mpi_in_place(), values.baseAddress, Int32(values.count), crate_mpi_double(), crate_mpi_sum(),
            communicator)
    }

    /// Replaces `values` by their sum over all ranks.
    public func sum(_ values: inout [Double]) {
        values.withUnsafeMutableBufferPointer { sum($0) }
    }

    /// The least of the ranks' values.
    public func minimum(_ value: Int) -> Int {
        var value = Int64(value)
        MPI_Allreduce(crate_mpi_in_place(), &value, 1, crate_mpi_int64(), crate_mpi_min(), communicator)
        return Int(value)
    }

    /// Rank `root`'s number, on all ranks.
    public func broadcast(_ value: Int, from root: Int) -> Int {
        var value = Int64(value)
        MPI_Bcast(&value, 1, crate_mpi_int64(), Int32(root), communicator)
        return Int(value)
    }

    /// Rank `root`'s bytes, on all ranks.
    public func broadcast(_ bytes: [UInt8], from root: Int) -> [UInt8] {
        let count = broadcast(bytes.count, from: root)
        var bytes = rank == root ? bytes : [UInt8](repeating: 0, count: count)
        MPI_Bcast(&bytes, Int32(count), crate_mpi_byte(), Int32(root), communicator)
        return bytes
    }

    /// Replaces `values` by rank `root`'s.
    public func broadcast(_ values: UnsafeMutablePointer<Float>, count: Int, from root: Int) {
        let largest = 1 << 28
        var start = 0
        while start < count {
            let piece = min(largest, count - start)
            MPI_Bcast(values + start, Int32(piece), crate_mpi_float(), Int32(root), communicator)
            start += piece
        }
    }
}
