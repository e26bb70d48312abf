import Base
import Collectives
import Foundation

/// When a run's checkpoints are written, which of them stay, and how many may fail. What writes them is `CheckpointWriter`.
struct Checkpointer {
    private let interval: SaveInterval
    private let allowedFailures: Int
    private let writer: CheckpointWriter
    private var lastStart = ProcessInfo.processInfo.systemUptime
    private var failuresInARow = 0
    private var lastFailure: Failure?
    /// How long the slowest checkpoint took, on rank 0.
    private(set) var longestSeconds = 0.0
    private var heldUpSeconds: Double?

    /// Memory for copies of what `trainer` holds. Throws `Failure` when it is not to be had.
    init(_ trainer: borrowing Trainer, _ options: RunOptions) throws {
        interval = options.saveEvery
        allowedFailures = options.saveFailures
        writer = try CheckpointWriter(trainer, store: options.run.checkpoints, retention: options.retention)
    }

    /// Adds what this rank requests of all others at the next step: `isCoordinator` alone looks at the clock.
    func add(to requests: inout StepReport.Requests, isCoordinator: Bool) {
        requests.isSaveDue = isCoordinator && isDueByClock
        requests.isSaving = writer.isBusy
        requests.hasGivenUp = failuresInARow > allowedFailures
    }

    /// Begins the checkpoint of `step` steps if one is due. Returns a warning where the one before it is still being written.
    ///
    /// Collective: all ranks begin it, or all throw where the state is not sound.
    mutating func saveIfDue(
        _ trainer: borrowing Trainer, _ requests: StepReport.Requests, after step: Int
    ) throws -> String? {
        guard requests.isSaveDue || isDue(trainer.configuration, after: step) else { return nil }
        // What is due by the clock is due again in as many minutes, not with every step.
        lastStart = ProcessInfo.processInfo.systemUptime
        if requests.isSaving { return "a checkpoint is still being written; that of step \(step) is left out" }
        var watch = Stopwatch()
        try trainer.demandSound(step: step)
        writer.start(trainer, step: step)
        heldUpSeconds = watch.lap()
        return nil
    }

    /// Writes the checkpoint of `step` steps when the one under way has ended, and waits for it.
    ///
    /// Collective: all ranks return, or all throw where the state is not sound. What became of it is in `takeEvents`.
    func saveAndWait(_ trainer: borrowing Trainer, after step: Int) throws {
        writer.wait()
        try trainer.demandSound(step: step)
        writer.start(trainer, step: step)
        writer.wait()
    }

    /// Waits for the checkpoint under way.
    func wait() { writer.wait() }

    /// What went wrong with checkpoints that ended since the last call, on rank 0.
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

    /// For how long a checkpoint has held up training since the last call, if one was begun.
    mutating func takeHeldUpSeconds() -> Double? {
        defer { heldUpSeconds = nil }
        return heldUpSeconds
    }

    /// Throws on all ranks the failure of the last checkpoint, if it failed. Collective.
    func demandSuccess(_ world: World) throws { try world.share(lastFailure) }

    /// A warning where the run's disk has no room for the checkpoints that are to come: as many as stay, and the one that is
    /// written before the oldest goes.
    static func spaceWarning(_ trainer: borrowing Trainer, _ options: RunOptions) -> Failure? {
        let size = trainer.replica.model.layout.parameterCount * (1 + trainer.optimizer.moments.kinds.count) * 4
        let existing = options.run.checkpoints.paths().count
        let coming = max(1, (options.retention.last ?? existing + 1) + 1 - existing)
        let free = freeBytes(in: options.run.path)
        guard free < coming * size else { return nil }
        func mebibytes(_ bytes: Int) -> String { "\((bytes + (1 << 20) - 1) >> 20) MiB" }
        return Failure(
            "\(counted(coming, "checkpoint")) of \(mebibytes(size)) are to come, and \(options.run.path) has \(mebibytes(free)) free",
            hint: "free some, or lower --keep")
    }

    /// Whether so many minutes have gone by; what is due by steps, all ranks know by themselves.
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
