import Foundation
import Synchronization

private let isRequested = Atomic<Bool>(false)

/// Requests to end early: SIGTERM, SIGINT and SIGUSR1, at any time and on any rank, and the end of the time limit.
public struct StopSignal {
    private let deadline: Double?
    private var longestSeconds = 0.0
    private var longestSave = 0.0

    /// Takes signals as requests from now on; before, they end the process. To be called before anything that takes time.
    public static func listen() {
        isRequested.store(false, ordering: .relaxed)
        for number in [SIGTERM, SIGUSR1, SIGINT] {
            signal(number) { number in
                isRequested.store(true, ordering: .relaxed)
                // Who asks twice at the keyboard does not want to wait.
                if number == SIGINT { signal(SIGINT, SIG_DFL) }
            }
        }
    }

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
        if isRequested.load(ordering: .relaxed) { return true }
        let need = 3 * longestSeconds + 2 * longestSave
        return deadline.map { ProcessInfo.processInfo.systemUptime + need > $0 } ?? false
    }
}
