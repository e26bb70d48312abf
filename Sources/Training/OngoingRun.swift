import Base
import Collectives
import CrateModel
import Kernels
import Loader
import Shards

/// A run under way: the replica that is trained, and all that tells of it and keeps it. What `train` does is done with this; every
/// method is collective but for `say` and `end`.
struct OngoingRun: ~Copyable {
    private let configuration: TrainingConfiguration
    private let options: RunOptions
    private let world: World
    private var trainer: Trainer
    private let validation: BatchLoader?
    /// On rank 0 alone, and never read: it is held as long as the run lives.
    private let lock: FileLock?
    /// On rank 0 alone.
    private let log: RunLog?
    private let telemetry: Telemetry
    private let saver: CheckpointSaver
    private(set) var saving: Saving
    private var progress: Progress
    private var damage: DamageReport
    /// For how long the checkpoint that was begun last held training up.
    private var saveSeconds: Double?
    /// Steps that were done when the run began.
    let start: Int
    /// Steps with which it ends.
    let last: Int

    /// Everything that can be refused, all memory, and the parameters to begin with.
    ///
    /// Collective: all ranks have the run, or all throw the same `Failure`.
    init(_ configuration: TrainingConfiguration, _ options: RunOptions, _ world: World) throws {
        let isCoordinator = world.rank == 0
        let trainer = try Trainer(
            configuration, data: options.data, threads: options.threads, options.distribution,
            onDamage: options.onDamage, world)
        if let start = options.start, let classifier = trainer.model.classifier {
            _ = try world.agree { try start.parameters(of: classifier) }
        }
        let validation = try world.agree {
            try options.validation.map { try makeLoader($0, configuration, options.onDamage) }
        }

        let lock = try world.agree {
            isCoordinator
                ? try options.run.lock {
                    var line = StatusLine(.standardOutput, isTerminal: false)
                    line.say($0)
                } : nil
        }
        var warnings: [Failure] = []
        let resumed = try world.agree {
            isCoordinator
                ? try options.run.prepare(configuration, options, ranks: world.size) { warnings.append($0) } : nil
        }
        let log = try world.agree { isCoordinator ? try RunLog(path: options.run.logPath) : nil }
        let start = world.broadcast(resumed?.manifest.step ?? 0, from: 0)
        let total = configuration.schedule.totalSteps
        let last = min(total, options.stopAfter.map { max($0, start) } ?? total)
        try trainer.load(from: resumed?.path, start: options.start)

        var progress = Progress(isTalking: isCoordinator, totalSteps: total, remaining: last - start)
        for warning in warnings + trainer.loader.missing + (validation?.missing ?? []) {
            progress.say("warning: \(warning)")
        }
        progress.say(summary(configuration, trainer.model, ranks: world.size))
        if !configuration.isIndependentOf(ranks: world.size) {
            progress.say(
                "\(configuration.virtualRanks) virtual ranks on \(world.size) ranks: other numbers of ranks round differently"
            )
        }
        if let resumed { progress.say("going on from \(resumed.path)") }

        let telemetry = try world.agree {
            try Telemetry(options, configuration, trainer, validation: validation, start: start)
        }
        let saver = try world.agree {
            try CheckpointSaver(trainer, store: options.run.checkpoints, retention: options.retention)
        }
        if isCoordinator, let doubt = Self.doubt(of: options.run.checkpoints, for: trainer, options) {
            progress.say("warning: \(doubt)")
        }
        self.configuration = configuration
        self.options = options
        self.world = world
        self.trainer = trainer
        self.validation = validation
        self.lock = lock
        self.log = log
        self.telemetry = telemetry
        self.saver = saver
        saving = Saving(options)
        self.progress = progress
        damage = DamageReport(rank: world.rank)
        self.start = start
        self.last = last
    }

    /// Reads ahead for the first step, and looks at the model that a new run begins with.
    mutating func begin() throws {
        if start > 0 { try record(LogEntry(event: "went on from step \(start) on \(counted(world.size, "rank"))")) }
        trainer.begin(at: start)
        guard start == 0 else { return }
        if world.rank == 0, let directory = options.validation { telemetry.showSamples(of: directory) }
        try lookUp(after: 0, isEvaluation: true)
    }

    /// One optimiser step, and all that there is to be said about it. `isStopping` is asked when the passes are through.
    mutating func take(step: Int, isStopping: () -> Bool) throws -> StepResult {
        let (saver, saving, isCoordinator) = (saver, saving, world.rank == 0)
        let result = try trainer.run(step: step) {
            .init(
                isStopping: isStopping(), isSaveDue: isCoordinator && saving.isDueByClock, isSaving: saver.isBusy,
                hasGivenUp: saving.hasGivenUp)
        }
        let entry = LogEntry(result, configuration, saveSeconds: saveSeconds, after: step + 1)
        saveSeconds = nil
        try record(entry)
        telemetry.noteStep(seconds: result.seconds.total)
        damage.tell(result.substitutions)
        progress.show(entry, seconds: result.seconds.total)
        if result.isSkipped { say("warning: step \(step + 1) is skipped: loss or gradients are not finite") }
        if result.wishes.hasGivenUp { try world.share(self.saving.lastFailure) }
        return result
    }

    /// Evaluates where that is due, and measures the layers where that is.
    mutating func lookUp(after step: Int, isEvaluation: Bool) throws {
        if isEvaluation, let validation {
            world.watchdog.begin(.evaluating, step: step)
            let result = try evaluate(
                trainer.model, parameters: trainer.optimizer.parameters.pointer, workspace: trainer.workspace,
                loader: validation, chunk: configuration.microBatch, world: world)
            try record(LogEntry(result, configuration, after: step))
            say("\(result.text) after \(step) steps")
        }
        guard telemetry.isDue(after: step, isEvaluation: isEvaluation) else { return }
        world.watchdog.begin(.evaluating, step: step)
        var warnings: [String] = []
        let entry = try telemetry.measure(trainer, step: step) { warnings.append("warning: \($0)") }
        for warning in warnings { say(warning) }
        if let entry { try record(entry) }
    }

    /// Writes the report anew.
    mutating func refreshReport() throws {
        let (options, log, isCoordinator) = (options, log, world.rank == 0)
        let text = try world.agree {
            let text = isCoordinator ? options.run.refreshReport() : nil
            if let text { _ = try log?.append(LogEntry(event: text)) }
            return text
        }
        if let text { say("warning: \(text)") }
    }

    /// Begins a checkpoint where one is due, unless the one before it is still being written.
    mutating func saveIfDue(_ wishes: StepReport.Wishes, after step: Int) throws {
        world.watchdog.begin(.saving, step: step)
        guard wishes.isSaveDue || saving.isDue(configuration, after: step) else { return }
        guard !wishes.isSaving else {
            // What is due by the clock is due again in as many minutes, not with every step.
            saving.noteStart()
            return say("warning: a checkpoint is still being written; that of step \(step) is left out")
        }
        var watch = Stopwatch()
        try trainer.demandSound(step: step)
        saver.start(trainer, step: step)
        saving.noteStart()
        saveSeconds = watch.lap()
    }

    /// Writes the checkpoint with which the run ends, or stops.
    mutating func saveLast(after step: Int) throws {
        world.watchdog.begin(.saving, step: step)
        // What is being written comes to its end first.
        saver.wait()
        try trainer.demandSound(step: step)
        saver.start(trainer, step: step)
        saver.wait()
        try record()
        let failure = saving.lastFailure
        try world.agree { if let failure { throw failure } }
    }

    /// Tells the person who watches, on rank 0.
    mutating func say(_ text: String) { progress.say(text) }

    /// Tells what measuring has cost, if anything.
    mutating func sayWhatItCost() {
        if let cost = telemetry.cost { say(cost) }
    }

    /// However the run ends: MPI must not be ended under the thread that sends a checkpoint.
    mutating func end() {
        saver.wait()
        progress.endLine()
    }

    /// Adds a line to the log, and what became of checkpoints since.
    private mutating func record(_ entry: LogEntry? = nil) throws {
        let texts = saver.takeOutcomes().compactMap { saving.note($0) }
        for text in texts { say("warning: \(text)") }
        let (log, telemetry) = (log, telemetry)
        let failures = try world.agree {
            for text in texts { _ = try log?.append(LogEntry(event: text)) }
            return try entry.map { [try log?.append($0), try telemetry.append($0)] } ?? []
        }
        for failure in failures { if let failure { say("warning: \(failure)") } }
    }
}

package func makeLoader(
    _ path: String, _ configuration: TrainingConfiguration, _ onDamage: DamagePolicy = .stop
) throws -> BatchLoader {
    try BatchLoader(
        LoaderSettings(
            path: path, imageSize: configuration.model.imageSize, patchSize: configuration.model.patchSize,
            normalisation: configuration.normalisation, maskRatio: configuration.maskRatio,
            labels: configuration.classification?.labels, seed: configuration.seed, capacity: configuration.microBatch,
            onDamage: onDamage))
}

private func summary(_ configuration: TrainingConfiguration, _ model: Model, ranks: Int) -> String {
    let (schedule, shape) = (configuration.schedule, configuration.model)
    let head = configuration.classification.map { ", \($0.labels.classes) classes" }
    return String(
        format:
            "%@, %.1f M parameters (width %d, depth %d%@, %d heads), images of %d pixels in patches of %d, %d samples, "
            + "%d steps of %d, peak lr %.2e",
        counted(ranks, "rank"), Double(model.layout.parameterCount) / 1e6, shape.dim, shape.depth,
        head ?? " + \(shape.decoderDepth)", shape.heads, shape.imageSize, shape.patchSize, configuration.sampleCount,
        schedule.totalSteps,
        configuration.batchSize, schedule.peak)
}
