import Base
import COpenMPI
import Foundation

/// The processes that train together. Without a launcher there is one, rank 0.
///
/// Every function that exchanges data is collective: all ranks must call it in the same order. All waits are watched by
/// the `Watchdog`, except those of background transfers.
package struct World: @unchecked Sendable {
    package let rank: Int
    package let size: Int
    package let watchdog: Watchdog
    /// One communicator per purpose, so that their messages never match each other.
    let control, gradients, checkpoints: MPI_Comm

    /// Starts MPI. Call once per process, and `finish` at the end.
    package static func start() throws -> World {
        var provided: Int32 = 0
        let sessions = SessionDirectory()
        defer { sessions.leave() }
        // Gradient exchange, checkpoint transfers and training each use MPI from their own thread.
        guard MPI_Init_thread(nil, nil, Int32(MPI_THREAD_MULTIPLE), &provided) == MPI_SUCCESS else {
            throw Failure("MPI cannot be started", hint: "start the program with mpirun, or without a launcher")
        }
        guard provided == Int32(MPI_THREAD_MULTIPLE) else {
            MPI_Finalize()
            throw Failure(
                "this MPI does not support multiple threads", hint: "use an Open MPI built with thread support")
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

    /// Whether this process has started MPI, which it can do once.
    package static var isStarted: Bool {
        var flag: Int32 = 0
        MPI_Initialized(&flag)
        return flag != 0
    }

    /// MPI's name and version; can be called before MPI is started.
    package static var mpiVersion: String {
        var (text, count) = ([CChar](repeating: 0, count: Int(crate_mpi_version_length())), Int32(0))
        MPI_Get_library_version(&text, &count)
        let bytes = text.prefix(Int(max(0, count))).map { UInt8(bitPattern: $0) }
        return String(decoding: bytes.prefix { $0 != UInt8(ascii: ",") && $0 != 0 }, as: UTF8.self)
    }

    package func finish() {
        barrier()
        watchdog.end()
        MPI_Finalize()
    }

    package func barrier() {
        complete { MPI_Ibarrier(control, $0) }
    }

    /// Replaces `values` by their sum over all ranks. Exact if all ranks but one pass zeros.
    package func sum(_ values: UnsafeMutableBufferPointer<Double>) {
        guard size > 1 else { return }
        complete {
            MPI_Iallreduce(
                crate_mpi_in_place(), values.baseAddress, Int32(values.count), crate_mpi_double(), crate_mpi_sum(),
                control, $0)
        }
    }

    package func sum(_ values: inout [Double]) {
        values.withUnsafeMutableBufferPointer { sum($0) }
    }

    /// The same for floats; the order of summation is MPI's.
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

    package func minimum(_ value: Int) -> Int {
        completed(value) {
            MPI_Iallreduce(crate_mpi_in_place(), $0, 1, crate_mpi_int64(), crate_mpi_min(), control, $1)
        }
    }

    /// Returns `value` of rank `root` on all ranks.
    package func broadcast(_ value: Int, from root: Int) -> Int {
        completed(value) { MPI_Ibcast($0, 1, crate_mpi_int64(), Int32(root), control, $1) }
    }

    /// Returns `bytes` of rank `root` on all ranks.
    package func broadcast(_ bytes: [UInt8], from root: Int) -> [UInt8] {
        let count = broadcast(bytes.count, from: root)
        var bytes = rank == root ? bytes : [UInt8](repeating: 0, count: count)
        bytes.withUnsafeMutableBytes { broadcast($0, from: root) }
        return bytes
    }

    /// Returns `texts` of rank `root` on all ranks. A text holds no zero byte.
    package func broadcast(_ texts: [String], from root: Int) -> [String] {
        let bytes = broadcast([UInt8](texts.joined(separator: "\u{0}").utf8), from: root)
        return String(decoding: bytes, as: UTF8.self).split(separator: "\u{0}", omittingEmptySubsequences: false)
            .map(String.init)
    }

    /// Each rank's `bytes`, in rank order.
    package func gather(_ bytes: [UInt8]) -> [[UInt8]] { (0..<size).map { broadcast(bytes, from: $0) } }

    /// Replaces `values` by those of rank `root`.
    package func broadcast(_ values: UnsafeMutablePointer<Float>, count: Int, from root: Int) {
        broadcast(UnsafeMutableRawBufferPointer(start: values, count: 4 * count), from: root)
    }

    private func broadcast(_ bytes: UnsafeMutableRawBufferPointer, from root: Int) {
        // MPI counts are 32-bit.
        let largest = 1 << 30
        for start in stride(from: 0, to: bytes.count, by: largest) {
            complete {
                MPI_Ibcast(
                    bytes.baseAddress! + start, Int32(min(largest, bytes.count - start)), crate_mpi_byte(),
                    Int32(root), control, $0)
            }
        }
    }

    /// Sends `count` values to rank `receiver`, which must receive as many. `inBackground` means that this rank does
    /// other work meanwhile, so the wait is never reported.
    package func send(_ values: UnsafePointer<Float>, count: Int, to receiver: Int, inBackground: Bool) {
        complete(inBackground: inBackground) {
            MPI_Isend(values, Int32(4 * count), crate_mpi_byte(), Int32(receiver), 0, checkpoints, $0)
        }
    }

    package func receive(_ values: UnsafeMutablePointer<Float>, count: Int, from sender: Int, inBackground: Bool) {
        complete(inBackground: inBackground) {
            MPI_Irecv(values, Int32(4 * count), crate_mpi_byte(), Int32(sender), 0, checkpoints, $0)
        }
    }

    private func completed(
        _ value: Int, _ body: (UnsafeMutablePointer<Int64>, UnsafeMutablePointer<MPI_Request?>) -> Int32
    ) -> Int {
        var value = Int64(value)
        withUnsafeMutablePointer(to: &value) { value in complete { body(value, $0) } }
        return Int(value)
    }

    private func complete(inBackground: Bool = false, _ body: (UnsafeMutablePointer<MPI_Request?>) -> Int32) {
        var request = crate_mpi_request_null()
        // MPI aborts the job itself if a call fails.
        _ = body(&request)
        withUnsafeMutablePointer(to: &request) { watchdog.wait($0, count: 1, inBackground: inBackground) }
    }
}

extension World {
    /// Runs `work`, which may fail on some ranks only; then either all ranks continue or all ranks throw.
    ///
    /// Throws the same `Failure` on every rank: that of the lowest rank that failed. `work` must not communicate.
    package func agree<Result: ~Copyable>(_ work: () throws -> Result) throws -> Result {
        let result: Result
        do {
            try InjectedFailure.check(rank: rank)
            result = try work()
        } catch {
            try share(Failure(from: error))
            throw error
        }
        try share(nil)
        return result
    }

    /// Throws the failure of the lowest rank that has one, on every rank; returns if no rank has one.
    package func share(_ failure: Failure?) throws {
        let failed = minimum(failure == nil ? size : rank)
        guard failed < size else { return }
        let parts = broadcast(failure.map { [$0.problem, $0.hint] } ?? [], from: failed)
        throw Failure(parts[0], hint: parts[1])
    }

    /// Compares settings that must be equal on all ranks, keyed by name. Throws the same `Failure` on every rank,
    /// naming the lowest rank that differs from rank 0 and the setting.
    package func requireEqual(_ own: [String: String]) throws {
        let names = own.keys.sorted()
        let fields = broadcast(names.flatMap { [$0, own[$0]!] }, from: 0)
        try agree {
            for index in stride(from: 0, to: fields.count - 1, by: 2) {
                let (name, expected) = (fields[index], fields[index + 1])
                let value = own[name] ?? "nothing"
                guard value == expected else {
                    throw Failure(
                        "rank \(rank) has \(name) \(value), rank 0 has \(expected)",
                        hint: "give all ranks the same options, shards and program")
                }
            }
            let others = Set(stride(from: 0, to: fields.count - 1, by: 2).map { fields[$0] })
            guard let name = names.first(where: { !others.contains($0) }) else { return }
            throw Failure(
                "rank \(rank) has \(name) \(own[name]!), rank 0 has nothing",
                hint: "give all ranks the same options, shards and program")
        }
    }
}
