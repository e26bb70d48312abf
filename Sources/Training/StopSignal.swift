import Foundation
import Synchronization

private let isRequested = Atomic<Bool>(false)

/// Requests to end early: SIGTERM, SIGINT and SIGUSR1, at any time and on any rank, and the end of the time limit.
struct StopSignal {
    private let deadline: Double?
    private var longestSeconds = 0.0

    /// Listens from now on. `timeLimit` is in seconds from the start of the program.
    init(timeLimit: Double?) {
        isRequested.store(false, ordering: .relaxed)
        for number in [SIGTERM, SIGUSR1, SIGINT] {
            signal(number) { number in
                isRequested.store(true, ordering: .relaxed)
                // Who asks twice at the keyboard does not want to wait.
                if number == SIGINT { signal(SIGINT, SIG_DFL) }
            }
        }
        deadline = timeLimit.map { ProcessInfo.processInfo.systemUptime + $0 }
    }

    /// Takes into account that a step, an evaluation or a checkpoint took `seconds`.
    mutating func noteDuration(_ seconds: Double) { longestSeconds = max(longestSeconds, seconds) }

    /// Whether this rank wants to end: it was asked to, or another step and a checkpoint may not end within the limit.
    var isSet: Bool {
        if isRequested.load(ordering: .relaxed) { return true }
        return deadline.map { ProcessInfo.processInfo.systemUptime + 3 * longestSeconds > $0 } ?? false
    }
}
