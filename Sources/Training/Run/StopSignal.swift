import Foundation
import Synchronization

private let wasRequested = Atomic<Bool>(false)
private let listens = Atomic<Bool>(false)

/// Requests to end early: a signal at any time and on any rank, and the end of the time limit.
package struct StopSignal {
    /// The signals that ask a run to save and end: of a person (SIGINT), a terminal that closes (SIGHUP), and batch systems, which
    /// warn by SIGTERM, SIGUSR1, SIGUSR2, or SIGXCPU where the processor's time is limited.
    package static let requests = [SIGTERM, SIGINT, SIGHUP, SIGUSR1, SIGUSR2, SIGXCPU]

    private let deadline: Double?
    private var longestSeconds = 0.0
    private var longestSave = 0.0

    /// Takes those signals as requests from now on; before, they end the process. To be called before anything that takes time.
    package static func listen() { listens.store(true, ordering: .relaxed) }

    /// Whether a run listens.
    package static var isListening: Bool { listens.load(ordering: .relaxed) }

    /// Asks this process's run to stop, from any thread.
    package static func request() { wasRequested.store(true, ordering: .relaxed) }

    /// `timeLimit` is in seconds from now.
    init(timeLimit: Double?) {
        deadline = timeLimit.map { ProcessInfo.processInfo.systemUptime + $0 }
    }

    /// Takes into account that a step, with an evaluation where there was one, took `seconds`, and the slowest checkpoint so far
    /// `save`, which rank 0 alone knows.
    mutating func noteDuration(_ seconds: Double, save: Double) {
        longestSeconds = max(longestSeconds, seconds)
        longestSave = max(longestSave, save)
    }

    /// Whether this rank wants to end: it was asked to, or another step, the checkpoint that may be on its way and the last one may
    /// not end within the limit.
    var isSet: Bool {
        if wasRequested.load(ordering: .relaxed) { return true }
        let need = 3 * longestSeconds + 2 * longestSave
        return deadline.map { ProcessInfo.processInfo.systemUptime + need > $0 } ?? false
    }
}
