import COpenMPI

/// The last known activity of every rank, and the messages that keep it up to date.
struct ActivityBoard: ~Copyable, @unchecked Sendable {
    private struct Message: BitwiseCopyable {
        var activity: Int32
        var step: Int32
    }

    private let rank, size: Int
    private let communicator: MPI_Comm
    private let watchers: Range<Int>
    private var own = Message(activity: Activity.starting.rawValue, step: 0)
    /// Indexed by rank; empty on ranks that do not watch.
    private var known: [Message] = []
    // Messages in flight. A rank that does not receive must not block this one: once all slots are in use, updates are
    // dropped.
    private static let slotCount = 32
    private let outgoing: UnsafeMutablePointer<Message>
    private let requests: UnsafeMutablePointer<MPI_Request?>
    private var slot = 0

    init(rank: Int, size: Int, communicator: MPI_Comm) {
        self.rank = rank
        self.size = size
        self.communicator = communicator
        watchers = 0..<min(2, size)
        outgoing = .allocate(capacity: Self.slotCount)
        outgoing.initialize(repeating: own, count: Self.slotCount)
        requests = .allocate(capacity: Self.slotCount)
        requests.initialize(repeating: crate_mpi_request_null(), count: Self.slotCount)
        if watchers.contains(rank) {
            known = Array(repeating: own, count: size)
        }
    }

    /// MPI resources are never released: a process has one board for its whole lifetime.
    mutating func tell(_ activity: Activity, step: Int) {
        own = Message(activity: activity.rawValue, step: Int32(truncatingIfNeeded: step))
        send(own)
        receive()
    }

    mutating func tellWaiting() { send(Message(activity: Activity.waiting.rawValue, step: own.step)) }
    mutating func tellAgain() { send(own) }

    /// The ranks that are not known to be waiting, each with its last known activity. Empty on ranks that do not watch.
    mutating func late() -> [String] {
        receive()
        return known.indices.filter { $0 != rank && known[$0].activity != Activity.waiting.rawValue }.map {
            let activity = (Activity(rawValue: known[$0].activity) ?? .starting).text
            return "rank \($0) has not arrived, last known activity: \(activity) in step \(known[$0].step)"
        }
    }

    private mutating func send(_ message: Message) {
        for watcher in watchers where watcher != rank {
            var isFree: Int32 = 0
            MPI_Test(requests + slot, &isFree, crate_mpi_status_ignore())
            guard isFree != 0 else { return }
            outgoing[slot] = message
            MPI_Isend(
                outgoing + slot, Int32(MemoryLayout<Message>.size), crate_mpi_byte(), Int32(watcher), 0, communicator,
                requests + slot)
            slot = (slot + 1) % Self.slotCount
        }
    }

    private mutating func receive() {
        guard watchers.contains(rank) else { return }
        while true {
            var (hasMessage, status): (Int32, MPI_Status) = (0, MPI_Status())
            MPI_Iprobe(crate_mpi_any_source(), 0, communicator, &hasMessage, &status)
            guard hasMessage != 0 else { return }
            var message = own
            let source = status.MPI_SOURCE
            MPI_Recv(
                &message, Int32(MemoryLayout<Message>.size), crate_mpi_byte(), source, 0, communicator,
                crate_mpi_status_ignore())
            known[Int(source)] = message
        }
    }
}
