import Base
import COpenMPI
import Foundation
import Synchronization

package enum Activity: Int32, Sendable {
    case starting
    case reading
    case computing
    case updating
    case evaluating
    case saving
    /// Blocked on other ranks, so not the cause of a delay.
    case waiting

    var text: String {
        switch self {
        case .starting: "starting"
        case .reading: "reading samples"
        case .computing: "computing"
        case .updating: "updating parameters"
        case .evaluating: "evaluating"
        case .saving: "saving a checkpoint"
        case .waiting: "waiting for other ranks"
        }
    }
}

/// Reports the ranks that delay the others.
///
/// Every rank tells ranks 0 and 1 what it starts to do, in messages of a few bytes, and a rank that has waited for a
/// while tells them that it is waiting. If rank 0 has waited too long, the ranks that have not reported waiting are the
/// late ones; if rank 0 itself is late, rank 1 reports it.
package final class Watchdog: @unchecked Sendable {
    /// In seconds; infinite for never.
    package struct Limits: Sendable {
        /// Wait until the late ranks are reported, and the interval between reports.
        package var warning = Double.infinity
        /// Wait until the job is aborted.
        package var abort = Double.infinity

        package init(warning: Double, abort: Double) {
            self.warning = warning
            self.abort = abort
        }
    }

    private let rank, size: Int
    private let communicator: MPI_Comm
    private let limits = Mutex(Limits(warning: .infinity, abort: .infinity))
    private let report = Mutex<(@Sendable (String) -> Void)?>(nil)
    private let board: Mutex<ActivityBoard>
    private let isBusy = Atomic<Bool>(false)

    init(rank: Int, size: Int, communicator: MPI_Comm) {
        self.rank = rank
        self.size = size
        self.communicator = communicator
        board = Mutex(ActivityBoard(rank: rank, size: size, communicator: communicator))
    }

    /// Sets the limits and the handler of reports about late ranks. It is called on any thread, on rank 0, or on rank 1
    /// when rank 0 is late.
    package func start(_ limits: Limits, report: @escaping @Sendable (String) -> Void) {
        self.limits.withLock { $0 = limits }
        self.report.withLock { $0 = report }
    }

    package func begin(_ activity: Activity, step: Int) {
        guard size > 1 else { return }
        board.withLock { $0.tell(activity, step: step) }
    }

    /// While a rank is busy computing, waits of its communication thread are not counted as delays.
    package func setBusy(_ isBusy: Bool) { self.isBusy.store(isBusy, ordering: .relaxed) }

    /// Waits until the transfers are complete. Yields the core while this rank is computing or if the wait is
    /// `inBackground`, and in any case after a while.
    func wait(_ requests: UnsafeMutablePointer<MPI_Request?>, count: Int32, inBackground: Bool = false) {
        var (isComplete, polls, hasToldWaiting): (Int32, Int, Bool) = (0, 0, false)
        var (start, warned, lastLook) = (0.0, 0.0, 0.0)
        while true {
            MPI_Testall(count, requests, &isComplete, crate_mpi_statuses_ignore())
            if isComplete != 0 { break }
            polls += 1
            // A partner on this machine answers within microseconds; one that is computing takes much longer.
            if polls < 200 { continue }
            let isBusy = isBusy.load(ordering: .relaxed)
            // Without other work, stay runnable so that messages which need repeated progress calls get them at once.
            if isBusy || inBackground || polls > 100_000 { usleep(50) } else { sched_yield() }
            guard polls % 64 == 0 || start == 0 else { continue }
            let now = ProcessInfo.processInfo.systemUptime
            if start == 0 || isBusy || inBackground { (start, warned) = (now, now) }
            // Checks are milliseconds apart: a gap means that this process itself was stopped, which must not count.
            if lastLook > 0 && now - lastLook > 0.5 {
                start += now - lastLook
                warned += now - lastLook
            }
            lastLook = now
            check(waited: now - start, sinceWarning: now - warned, &hasToldWaiting) { warned = now }
        }
        if hasToldWaiting { board.withLock { $0.tellAgain() } }
    }

    private func check(waited: Double, sinceWarning: Double, _ hasToldWaiting: inout Bool, warned: () -> Void) {
        let limits = limits.withLock { $0 }
        if !hasToldWaiting && waited > min(1, limits.warning / 4) {
            hasToldWaiting = true
            board.withLock { $0.tellWaiting() }
        }
        // The watching ranks report first, since they know who is late; the others abort in case both are stuck.
        let patience = rank == 0 ? 0.0 : rank == 1 ? 2 : 10
        let isTooLong = waited > limits.abort + patience
        guard isTooLong || sinceWarning > limits.warning else { return }
        warned()
        let late = board.withLock { $0.late() }
        guard isTooLong || rank == 0 || (rank == 1 && late.contains { $0.hasPrefix("rank 0 ") }) else { return }
        let unknown = rank < 2 ? "no rank is late, but messages do not arrive" : "other ranks have not arrived"
        let what = late.isEmpty ? unknown : late.joined(separator: "; ")
        let text = String(format: "after %.0f s of waiting: ", waited) + what
        if isTooLong {
            let failure = Failure(text, hint: "check that rank's node and network, then go on with --resume")
            try? FileHandle.standardError.write(contentsOf: Data("crate: error: \(failure)\n".utf8))
            MPI_Abort(communicator, 1)
        }
        report.withLock { $0 }?(text)
    }
}

/// The last known activity of every rank, and the messages that keep it up to date.
struct ActivityBoard: ~Copyable, @unchecked Sendable {
    private struct Message: BitwiseCopyable {
        var activity: Int32
        var step: Int32
    }

    private let rank: Int
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
        self.communicator = communicator
        watchers = 0..<min(2, size)
        outgoing = .allocate(capacity: Self.slotCount)
        outgoing.initialize(repeating: own, count: Self.slotCount)
        requests = .allocate(capacity: Self.slotCount)
        requests.initialize(repeating: crate_mpi_request_null(), count: Self.slotCount)
        if watchers.contains(rank) { known = Array(repeating: own, count: size) }
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
