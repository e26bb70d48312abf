import Base
import Checkpoints
import Collectives
import Foundation
import Settings

/// The checkpoint policy of a run: when, which to keep, how many may fail. `CheckpointWriter` does the writing.
struct Checkpointer {
    private let interval: SaveInterval
    private let allowedFailures: Int
    private let writer: CheckpointWriter
    private var lastStart = ProcessInfo.processInfo.systemUptime
    private var failuresInARow = 0
    private var lastFailure: Failure?
    /// Duration of the slowest checkpoint, on rank 0.
    private(set) var longestSeconds = 0.0
    private var heldUpSeconds: Double?

    /// Memory for copies of the state of `trainer`, whose classifier, if it is one, tells `classes` apart. Throws `Failure` if the memory is
    /// not available.
    init(_ trainer: borrowing Trainer, _ options: FileOptions, classes: [String]?, log: RunLog?) throws {
        interval = options.saveEvery
        allowedFailures = options.saveFailures
        writer = try CheckpointWriter(
            trainer, store: CheckpointStore(run: options.run), retention: options.retention, classes: classes, log: log)
    }

    /// Adds this rank's requests for the next step; only the coordinator looks at the clock.
    func add(to requests: inout StepReport.Requests, isCoordinator: Bool) {
        requests.isSaveDue = isCoordinator && isDueByClock
        requests.isSaving = writer.isBusy
        requests.hasGivenUp = failuresInARow > allowedFailures
    }

    /// Starts the checkpoint of `step` steps if one is due. Returns a warning if the previous one is still being written.
    ///
    /// Collective: all ranks start it, or all throw because the state is not sound.
    mutating func saveIfDue(
        _ trainer: borrowing Trainer, _ requests: StepReport.Requests, after step: Int
    ) throws -> String? {
        guard requests.isSaveDue || isDue(trainer.configuration, after: step) else { return nil }
        // By the clock, the next one is due after the same number of minutes, not at the next step.
        lastStart = ProcessInfo.processInfo.systemUptime
        if requests.isSaving { return "a checkpoint is still being written; that of step \(step) is left out" }
        var watch = Stopwatch()
        try trainer.requireSound(step: step)
        writer.start(trainer, step: step)
        heldUpSeconds = watch.lap()
        return nil
    }

    /// Waits for the checkpoint in progress, then writes that of `step` steps and waits for it. `takeEvents` has the result.
    ///
    /// Collective: all ranks return, or all throw because the state is not sound.
    func saveAndWait(_ trainer: borrowing Trainer, after step: Int) throws {
        writer.wait()
        try trainer.requireSound(step: step)
        writer.start(trainer, step: step)
        writer.wait()
    }

    /// Waits for the checkpoint in progress.
    func wait() { writer.wait() }

    /// Failures of checkpoints that ended since the last call, on rank 0.
    mutating func takeEvents() -> [String] {
        writer.takeOutcomes().compactMap { outcome in
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

    /// How long a checkpoint delayed training since the last call, if one was started.
    mutating func takeHeldUpSeconds() -> Double? {
        defer { heldUpSeconds = nil }
        return heldUpSeconds
    }

    /// Throws the failure of the last checkpoint on all ranks, if it failed. Collective.
    func requireSuccess(_ world: World) throws { try world.share(lastFailure) }

    /// A warning if the disk has no room for the checkpoints to come: those to keep, and one more before the oldest is removed.
    static func spaceWarning(_ trainer: borrowing Trainer, _ options: FileOptions) -> Failure? {
        let size = trainer.replica.model.layout.parameterCount * (1 + trainer.optimizer.moments.kinds.count) * 4
        let existing = CheckpointStore(run: options.run).paths().count
        let coming = max(1, (options.retention.last ?? existing + 1) + 1 - existing)
        let free = freeBytes(in: options.run)
        guard free < coming * size else { return nil }
        func mebibytes(_ bytes: Int) -> String { "\((bytes + (1 << 20) - 1) >> 20) MiB" }
        return Failure(
            "\(counted(coming, "checkpoint")) of \(mebibytes(size)) are to come, and \(options.run) has \(mebibytes(free)) free",
            hint: "free some, or lower --keep")
    }

    /// Whether the interval in minutes has passed; intervals in steps are known to all ranks.
    private var isDueByClock: Bool {
        guard case .minutes(let minutes) = interval else { return false }
        return ProcessInfo.processInfo.systemUptime - lastStart >= 60 * minutes
    }

    private func isDue(_ configuration: TrainingConfiguration, after step: Int) -> Bool {
        switch interval {
        case .epochs(let epochs): configuration.isDue(every: epochs, after: step)
        case .steps(let steps): step % steps == 0
        case .minutes: false
        }
    }
}
