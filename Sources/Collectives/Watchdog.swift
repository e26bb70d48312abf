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
/// Every rank tells ranks 0 and 1 what it starts to do and, on a thread, that it makes progress with it, in messages of a
/// few bytes; a rank that has waited for a while tells them that it is waiting. If rank 0 has waited too long, the ranks
/// that neither wait nor make progress are the late ones; if rank 0 itself is late, rank 1 reports it. A rank that makes
/// progress is never late, whatever it does: loading, computing, saving, verifying.
package final class Watchdog: @unchecked Sendable {
    /// In seconds; infinite for never.
    package struct Limits: Sendable {
        /// Wait, and time without progress, until the late ranks are reported, and the interval between reports.
        package var warning = Double.infinity
        /// Wait, and time without progress, until the job is aborted.
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
    private let isWaiting = Atomic<Bool>(false)
    private let ending = DispatchSemaphore(value: 0)
    private let ended = DispatchSemaphore(value: 0)
    private let hasThread = Atomic<Bool>(false)

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
        let shortest = min(limits.warning, limits.abort)
        guard size > 1, shortest < .infinity, !hasThread.exchange(true, ordering: .relaxed) else { return }
        let pause = DispatchTimeInterval.milliseconds(Int(1000 * min(1, max(0.02, shortest / 8))))
        let thread = Thread { [self] in
            while ending.wait(timeout: .now() + pause) == .timedOut {
                board.withLock { $0.tellProgress(isWaiting: isWaiting.load(ordering: .relaxed)) }
            }
            ended.signal()
        }
        thread.start()
    }

    /// Ends the thread, before MPI is finalised.
    func end() {
        guard hasThread.load(ordering: .relaxed) else { return }
        ending.signal()
        ended.wait()
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
        WorkDone.add()
        guard hasToldWaiting else { return }
        isWaiting.store(false, ordering: .relaxed)
        board.withLock { $0.tellAgain() }
    }

    private func check(waited: Double, sinceWarning: Double, _ hasToldWaiting: inout Bool, warned: () -> Void) {
        let limits = limits.withLock { $0 }
        if !hasToldWaiting && waited > min(1, limits.warning / 4) {
            hasToldWaiting = true
            isWaiting.store(true, ordering: .relaxed)
            board.withLock { $0.tellWaiting() }
        }
        // The watching ranks report first, since they know who is late; the others abort in case both are stuck.
        let patience = rank == 0 ? 0.0 : rank == 1 ? 2 : 10
        if waited > limits.abort + patience, let reason = stall(limits.abort + patience) {
            let failure = Failure(
                String(format: "after %.0f s of waiting: ", waited) + reason,
                hint: "check that rank's node and network, then go on with --resume")
            printError("error: \(failure)")
            MPI_Abort(communicator, 1)
        }
        guard sinceWarning > limits.warning else { return }
        warned()
        let late = board.withLock { $0.late(limits.warning) }
        guard !late.isEmpty, rank == 0 || late.contains(where: { $0.hasPrefix("rank 0 ") }) else { return }
        report.withLock { $0 }?(String(format: "after %.0f s of waiting: ", waited) + late.joined(separator: "; "))
    }

    /// Why the job cannot go on after a wait of `seconds`; nil if some rank makes progress and none is late.
    private func stall(_ seconds: Double) -> String? {
        board.withLock { board in
            let late = board.late(seconds)
            if !late.isEmpty { return late.joined(separator: "; ") }
            if board.areAllWaiting { return "no rank is late, but messages do not arrive" }
            let idle = ProcessInfo.processInfo.systemUptime - board.lastProgress
            return rank > 1 && idle > seconds ? "other ranks have not arrived" : nil
        }
    }
}
