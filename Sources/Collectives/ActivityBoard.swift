import Base
import COpenMPI
import Foundation

/// The last known activity of every rank, when it last made progress, and the messages that keep both up to date.
///
/// Ranks 0 and 1 watch: they hear from all. The others hear from rank 0 that some rank makes progress.
struct ActivityBoard: ~Copyable, @unchecked Sendable {
    private struct Message: BitwiseCopyable {
        var activity: Int32
        var step: Int32
        /// `WorkDone` of the sender.
        var workDone: Int64
    }

    private struct Known {
        var message: Message
        /// When the sender's work last changed, by the clock of this process.
        var changed: Double
    }

    private static let (activityTag, progressTag) = (Int32(0), Int32(1))

    private let rank, size: Int
    private let communicator: MPI_Comm
    private let watchers: Range<Int>
    private var own = Message(activity: Activity.starting.rawValue, step: 0, workDone: 0)
    private var toldWork: Int64 = 0
    /// Indexed by rank; empty on ranks that do not watch.
    private var known: [Known] = []
    /// When some rank last made progress, as far as this rank knows.
    private(set) var lastProgress = ProcessInfo.processInfo.systemUptime
    private var toldProgress = 0.0
    // Messages in flight. A rank that does not receive must not block this one: once all slots are in use, updates are
    // dropped.
    private let slotCount: Int
    private let outgoing: UnsafeMutablePointer<Message>
    private let requests: UnsafeMutablePointer<MPI_Request?>
    private var slot = 0

    init(rank: Int, size: Int, communicator: MPI_Comm) {
        self.rank = rank
        self.size = size
        self.communicator = communicator
        watchers = 0..<min(2, size)
        slotCount = max(32, 2 * size)
        outgoing = .allocate(capacity: slotCount)
        outgoing.initialize(repeating: own, count: slotCount)
        requests = .allocate(capacity: slotCount)
        requests.initialize(repeating: crate_mpi_request_null(), count: slotCount)
        if watchers.contains(rank) {
            known = Array(repeating: Known(message: own, changed: lastProgress), count: size)
        }
    }

    /// MPI resources are never released: a process has one board for its whole lifetime.
    mutating func tell(_ activity: Activity, step: Int) {
        own.activity = activity.rawValue
        own.step = Int32(truncatingIfNeeded: step)
        tellWatchers(own)
        receive()
    }

    mutating func tellWaiting() {
        var message = own
        message.activity = Activity.waiting.rawValue
        tellWatchers(message)
    }

    mutating func tellAgain() { tellWatchers(own) }

    /// Tells others about progress since the last call, and hears about theirs. To be called every now and then.
    mutating func tellProgress(isWaiting: Bool) {
        receive()
        if WorkDone.count != toldWork {
            lastProgress = ProcessInfo.processInfo.systemUptime
            if isWaiting { tellWaiting() } else { tellAgain() }
        }
        guard rank == 0, lastProgress != toldProgress else { return }
        toldProgress = lastProgress
        for other in watchers.upperBound..<max(watchers.upperBound, size) { send(own, to: other, Self.progressTag) }
    }

    /// The ranks that are not known to be waiting and have made no progress for `seconds`, each with its last known activity. Empty on
    /// ranks that do not watch.
    mutating func late(_ seconds: Double) -> [String] {
        receive()
        let now = ProcessInfo.processInfo.systemUptime
        return others(known) { $0.message.activity != Activity.waiting.rawValue && now - $0.changed > seconds }.map {
            let activity = (Activity(rawValue: known[$0].message.activity) ?? .starting).text
            return "rank \($0) has not arrived, last known activity: \(activity) in step \(known[$0].message.step)"
        }
    }

    /// Whether all other ranks are known to be waiting.
    var areAllWaiting: Bool {
        !known.isEmpty && others(known) { $0.message.activity != Activity.waiting.rawValue }.isEmpty
    }

    private func others(_ known: [Known], _ condition: (Known) -> Bool) -> [Int] {
        known.indices.filter { $0 != rank && condition(known[$0]) }
    }

    private mutating func tellWatchers(_ message: Message) {
        var message = message
        toldWork = Int64(WorkDone.count)
        message.workDone = toldWork
        for watcher in watchers where watcher != rank { send(message, to: watcher, Self.activityTag) }
    }

    private mutating func send(_ message: Message, to receiver: Int, _ tag: Int32) {
        var isFree: Int32 = 0
        MPI_Test(requests + slot, &isFree, crate_mpi_status_ignore())
        guard isFree != 0 else { return }
        outgoing[slot] = message
        MPI_Isend(
            outgoing + slot, Int32(MemoryLayout<Message>.size), crate_mpi_byte(), Int32(receiver), tag, communicator,
            requests + slot)
        slot = (slot + 1) % slotCount
    }

    private mutating func receive() {
        while true {
            var (hasMessage, status): (Int32, MPI_Status) = (0, MPI_Status())
            MPI_Iprobe(crate_mpi_any_source(), crate_mpi_any_tag(), communicator, &hasMessage, &status)
            guard hasMessage != 0 else { return }
            var message = own
            let source = status.MPI_SOURCE
            MPI_Recv(
                &message, Int32(MemoryLayout<Message>.size), crate_mpi_byte(), source, status.MPI_TAG, communicator,
                crate_mpi_status_ignore())
            let now = ProcessInfo.processInfo.systemUptime
            let isProgress = status.MPI_TAG == Self.progressTag
            if watchers.contains(rank) && !isProgress {
                let before = known[Int(source)]
                let hasWorked = message.workDone != before.message.workDone
                if hasWorked { lastProgress = now }
                let isNew = hasWorked || message.activity != before.message.activity
                known[Int(source)] = Known(message: message, changed: isNew ? now : before.changed)
            } else {
                lastProgress = now
            }
        }
    }
}
