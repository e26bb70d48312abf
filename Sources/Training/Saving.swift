import Base
import Foundation

/// Decides when to save, and what to think of saves that fail.
struct Saving {
    private let interval: SaveInterval
    private let mayFail: Int
    private var lastStart = ProcessInfo.processInfo.systemUptime
    private(set) var failuresInARow = 0
    private(set) var lastFailure: Failure?
    /// Of writing a checkpoint, on rank 0.
    private(set) var longestSeconds = 0.0

    init(_ options: RunOptions) {
        interval = options.saveEvery
        mayFail = options.saveFailures
    }

    /// Whether so many minutes have gone by; what is due by steps, all ranks know by themselves.
    var isDueByClock: Bool {
        guard case .minutes(let minutes) = interval else { return false }
        return ProcessInfo.processInfo.systemUptime - lastStart >= 60 * minutes
    }

    /// Whether a save is due after `step` steps.
    func isDue(_ configuration: TrainingConfiguration, after step: Int) -> Bool {
        switch interval {
        case .epochs(let epochs): configuration.isDue(every: epochs, after: step)
        case .steps(let steps): step % steps == 0
        case .minutes: false
        }
    }

    /// Whether more saves have failed in a row than may.
    var hasGivenUp: Bool { failuresInARow > mayFail }

    mutating func noteStart() { lastStart = ProcessInfo.processInfo.systemUptime }

    /// Takes note of how a save ended, and returns what there is to be said about it.
    mutating func note(_ outcome: CheckpointSaver.Outcome) -> String? {
        lastFailure = outcome.failure
        longestSeconds = max(longestSeconds, outcome.seconds)
        guard let failure = outcome.failure else {
            failuresInARow = 0
            return nil
        }
        failuresInARow += 1
        return "the checkpoint of step \(outcome.step) is not written (\(failuresInARow) in a row): \(failure)"
    }
}
