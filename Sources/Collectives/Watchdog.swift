import Base
import COpenMPI
import Foundation
import Synchronization

/// What a rank is doing.
package enum Activity: Int32, Sendable {
    /// What comes before its first step.
    case starting
    /// It waits for samples.
    case reading
    /// Forward and backward passes.
    case computing
    /// The optimiser's step.
    case updating
    /// A pass over the validation set.
    case evaluating
    /// A checkpoint is written.
    case saving
    /// It waits for others, so it is not the one that is late.
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

/// Names the ranks that others wait for.
///
/// Every rank tells rank 0 and rank 1 what it begins to do, in messages of a few bytes. A rank whose wait takes long says
/// that it waits. So when rank 0 has waited too long, those that have not said so are what holds up the others; and when it
/// is rank 0 itself, rank 1 says that. A class, since all waits of a process share it.
package final class Watchdog: @unchecked Sendable {
    /// When a wait is worth a line, and when it ends the job. Infinite for never.
    package struct Limits: Sendable {
        /// Seconds of a wait until the late ranks are named, and from then on until they are named again.
        package var warning = Double.infinity
        /// Seconds of a wait until the job is ended.
        package var abort = Double.infinity

        /// Limits in seconds.
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

    /// Sets the limits, and what is done with a line about late ranks: on any thread, on rank 0, or on rank 1 about rank 0.
    package func start(_ limits: Limits, report: @escaping @Sendable (String) -> Void) {
        self.limits.withLock { $0 = limits }
        self.report.withLock { $0 = report }
    }

    /// Tells the watching ranks what this one begins to do, in step `step`.
    package func begin(_ activity: Activity, step: Int) {
        guard size > 1 else { return }
        board.withLock { $0.tell(activity, step: step) }
    }

    /// Whether this rank's own work goes on, so that the waits of its communication thread are nobody's fault.
    package func setBusy(_ isBusy: Bool) { self.isBusy.store(isBusy, ordering: .relaxed) }

    /// Waits until the transfers are complete. Gives the core away while this rank's own work goes on, or when the wait is
    /// `inBackground`, and after a while in any case.
    func wait(_ requests: UnsafeMutablePointer<MPI_Request?>, count: Int32, inBackground: Bool = false) {
        var (isComplete, polls, hasToldWaiting): (Int32, Int, Bool) = (0, 0, false)
        var (start, warned, lastLook) = (0.0, 0.0, 0.0)
        while true {
            MPI_Testall(count, requests, &isComplete, crate_mpi_statuses_ignore())
            if isComplete != 0 { break }
            polls += 1
            // A partner on this machine answers within microseconds, one that computes takes much longer.
            if polls < 200 { continue }
            let isBusy = isBusy.load(ordering: .relaxed)
            // Where nothing else is to be done, messages that need attention again and again get it at once.
            if isBusy || inBackground || polls > 100_000 { usleep(50) } else { sched_yield() }
            guard polls % 64 == 0 || start == 0 else { continue }
            let now = ProcessInfo.processInfo.systemUptime
            if start == 0 || isBusy || inBackground { (start, warned) = (now, now) }
            // Looks are milliseconds apart: in a gap this process stood still itself, and cannot blame others for it.
            if lastLook > 0 && now - lastLook > 0.5 {
                start += now - lastLook
                warned += now - lastLook
            }
            lastLook = now
            check(waited: now - start, sinceWarning: now - warned, &hasToldWaiting) { warned = now }
        }
        if hasToldWaiting { board.withLock { $0.tellAgain() } }
    }

    private func check(
        waited: Double, sinceWarning: Double, _ hasToldWaiting: inout Bool, warned: () -> Void
    ) {
        let limits = limits.withLock { $0 }
        if !hasToldWaiting && waited > min(1, limits.warning / 4) {
            hasToldWaiting = true
            board.withLock { $0.tellWaiting() }
        }
        // The watching ranks first, since they know who is late; the others in case these are stuck themselves.
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
            let failure = Failure(text, hint: "see to that rank's node and network, then go on with --resume")
            try? FileHandle.standardError.write(contentsOf: Data("crate: error: \(failure)\n".utf8))
            MPI_Abort(communicator, 1)
        }
        report.withLock { $0 }?(text)
    }
}
