import Foundation
import Synchronization

private let wasRequested = Atomic<Bool>(false)
private let listens = Atomic<Bool>(false)

/// Requests to stop early: signals on any rank, and the time limit.
package struct StopSignal {
    /// Signals that request a stop: SIGINT from a person, SIGHUP from a closed terminal, and SIGTERM, SIGUSR1, SIGUSR2 and SIGXCPU from
    /// batch systems.
    package static let requests = [SIGTERM, SIGINT, SIGHUP, SIGUSR1, SIGUSR2, SIGXCPU]

    private let deadline: Double?
    private var longestSeconds = 0.0
    private var longestSave = 0.0

    /// From now on these signals are requests; before, they end the process. Call before anything that takes time.
    package static func listen() { listens.store(true, ordering: .relaxed) }

    package static var isListening: Bool { listens.load(ordering: .relaxed) }

    /// Requests a stop of this process's run, from any thread.
    package static func request() { wasRequested.store(true, ordering: .relaxed) }

    /// `timeLimit` is in seconds from now.
    init(timeLimit: Double?) {
        deadline = timeLimit.map { ProcessInfo.processInfo.systemUptime + $0 }
    }

    /// Records the duration of a step with its evaluation, and of the slowest checkpoint so far, which only rank 0 knows.
    mutating func noteDuration(_ seconds: Double, save: Double) {
        longestSeconds = max(longestSeconds, seconds)
        longestSave = max(longestSave, save)
    }

    /// Whether this rank requests a stop: it was asked to, or another step, the checkpoint in progress and the last one may not end within
    /// the limit.
    var isSet: Bool {
        if wasRequested.load(ordering: .relaxed) { return true }
        let need = 3 * longestSeconds + 2 * longestSave
        return deadline.map { ProcessInfo.processInfo.systemUptime + need > $0 } ?? false
    }
}
