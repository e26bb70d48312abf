import Base
import COpenMPI

/// The processes that train together. Without a launcher there is one, rank 0.
///
/// Every function that exchanges something is collective: all ranks must call it, in the same order. Nothing of it waits
/// unwatched, but for what goes on in the background: see `Watchdog`.
package struct World: @unchecked Sendable {
    /// This process's number, 0 ..< size.
    package let rank: Int
    /// The number of processes.
    package let size: Int
    /// What notices ranks that do not arrive.
    package let watchdog: Watchdog
    /// Messages of one purpose never meet those of another.
    let control, gradients, checkpoints: MPI_Comm

    /// Starts MPI. Call it once, and `finish` at the end.
    package static func start() throws -> World {
        var provided: Int32 = 0
        // Gradients, checkpoints and the step itself have a thread each.
        guard MPI_Init_thread(nil, nil, Int32(MPI_THREAD_MULTIPLE), &provided) == MPI_SUCCESS else {
            throw Failure("MPI does not start", hint: "start the program with mpirun, or alone")
        }
        guard provided == Int32(MPI_THREAD_MULTIPLE) else {
            MPI_Finalize()
            throw Failure("this MPI does not serve several threads", hint: "use an Open MPI built with thread support")
        }
        var (rank, size): (Int32, Int32) = (0, 1)
        let all = crate_mpi_comm_world()
        MPI_Comm_rank(all, &rank)
        MPI_Comm_size(all, &size)
        func communicator() -> MPI_Comm {
            var copy: MPI_Comm?
            MPI_Comm_dup(all, &copy)
            return copy!
        }
        return World(
            rank: Int(rank), size: Int(size),
            watchdog: Watchdog(rank: Int(rank), size: Int(size), communicator: communicator()),
            control: communicator(), gradients: communicator(), checkpoints: communicator())
    }

    /// Waits for all ranks and stops MPI.
    package func finish() {
        barrier()
        MPI_Finalize()
    }

    /// Waits for all ranks.
    package func barrier() {
        complete { MPI_Ibarrier(control, $0) }
    }

    /// Replaces `values` by their sum over all ranks. Where all ranks but one give zeros, that is the one's value, exactly.
    package func sum(_ values: UnsafeMutableBufferPointer<Double>) {
        guard size > 1 else { return }
        complete {
            MPI_Iallreduce(
                crate_mpi_in_place(), values.baseAddress, Int32(values.count), crate_mpi_double(), crate_mpi_sum(),
                control, $0)
        }
    }

    /// Replaces `values` by their sum over all ranks.
    package func sum(_ values: inout [Double]) {
        values.withUnsafeMutableBufferPointer { sum($0) }
    }

    /// Replaces `values` by their sum over all ranks, in whatever order MPI adds.
    package func sum(_ values: UnsafeMutablePointer<Float>, count: Int) {
        let largest = 1 << 28
        for start in stride(from: 0, to: count, by: largest) {
            complete {
                MPI_Iallreduce(
                    crate_mpi_in_place(), values + start, Int32(min(largest, count - start)), crate_mpi_float(),
                    crate_mpi_sum(), control, $0)
            }
        }
    }

    /// The least of the ranks' values.
    package func minimum(_ value: Int) -> Int {
        var value = Int64(value)
        withUnsafeMutablePointer(to: &value) { value in
            complete {
                MPI_Iallreduce(crate_mpi_in_place(), value, 1, crate_mpi_int64(), crate_mpi_min(), control, $0)
            }
        }
        return Int(value)
    }

    /// Rank `root`'s number, on all ranks.
    package func broadcast(_ value: Int, from root: Int) -> Int {
        var value = Int64(value)
        withUnsafeMutablePointer(to: &value) { value in
            complete { MPI_Ibcast(value, 1, crate_mpi_int64(), Int32(root), control, $0) }
        }
        return Int(value)
    }

    /// Rank `root`'s bytes, on all ranks.
    package func broadcast(_ bytes: [UInt8], from root: Int) -> [UInt8] {
        let count = broadcast(bytes.count, from: root)
        var bytes = rank == root ? bytes : [UInt8](repeating: 0, count: count)
        bytes.withUnsafeMutableBytes { broadcast($0, from: root) }
        return bytes
    }

    /// Replaces `values` by rank `root`'s.
    package func broadcast(_ values: UnsafeMutablePointer<Float>, count: Int, from root: Int) {
        broadcast(UnsafeMutableRawBufferPointer(start: values, count: 4 * count), from: root)
    }

    private func broadcast(_ bytes: UnsafeMutableRawBufferPointer, from root: Int) {
        // MPI counts with 32 bits.
        let largest = 1 << 30
        for start in stride(from: 0, to: bytes.count, by: largest) {
            complete {
                MPI_Ibcast(
                    bytes.baseAddress! + start, Int32(min(largest, bytes.count - start)), crate_mpi_byte(),
                    Int32(root), control, $0)
            }
        }
    }

    /// Sends `count` values to rank `receiver`, which must receive as many. `inBackground` says that this rank does something else
    /// meanwhile, so that nobody is late, however long it takes.
    package func send(_ values: UnsafePointer<Float>, count: Int, to receiver: Int, inBackground: Bool) {
        complete(inBackground: inBackground) {
            MPI_Isend(values, Int32(4 * count), crate_mpi_byte(), Int32(receiver), 0, checkpoints, $0)
        }
    }

    /// Receives `count` values from rank `sender`; `inBackground` as in `send`.
    package func receive(_ values: UnsafeMutablePointer<Float>, count: Int, from sender: Int, inBackground: Bool) {
        complete(inBackground: inBackground) {
            MPI_Irecv(values, Int32(4 * count), crate_mpi_byte(), Int32(sender), 0, checkpoints, $0)
        }
    }

    /// Starts a transfer with `body` and waits until it is complete.
    private func complete(inBackground: Bool = false, _ body: (UnsafeMutablePointer<MPI_Request?>) -> Int32) {
        var request = crate_mpi_request_null()
        // MPI ends the job itself when a call fails.
        _ = body(&request)
        withUnsafeMutablePointer(to: &request) { watchdog.wait($0, count: 1, inBackground: inBackground) }
    }
}
