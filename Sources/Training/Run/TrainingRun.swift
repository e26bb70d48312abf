import Base
import Checkpoints
import Collectives
import CrateModel
import Kernels
import Loader
import Settings

/// A run in progress: the trainer, and everything that evaluates, logs and saves it. Each method is one line of the training loop, and
/// collective except `say` and `end`.
struct TrainingRun: ~Copyable {
    private let configuration: TrainingConfiguration
    private let options: RunOptions
    private let directory: RunDirectory
    private let world: World
    private var trainer: Trainer
    private let validation: BatchLoader?
    private let neighbours: NeighbourEvaluation?
    /// Only on rank 0; held as long as the run exists.
    private let lock: FileLock?
    /// Only on rank 0.
    private let log: RunLog?
    private let telemetry: Telemetry
    private(set) var checkpointer: Checkpointer
    private var progress: Progress
    private var corruptSamples: CorruptSampleReport
    private var skipsInARow = 0
    /// Steps done when the run starts.
    let start: Int
    /// Steps done now.
    private(set) var done: Int
    /// Steps done when it ends.
    let last: Int
}

extension TrainingRun {
    /// Validates everything, allocates all memory, and loads the parameters.
    ///
    /// Collective: all ranks have the run, or all throw the same `Failure`.
    init(
        _ configuration: TrainingConfiguration, _ options: RunOptions, _ settings: RunSettings, _ data: RunData,
        from pretrained: PretrainedWeights?, _ world: World
    ) throws {
        let (isCoordinator, files) = (world.rank == 0, options.files)
        let directory = RunDirectory(path: files.run)
        let trainer = try Trainer(
            configuration, data: files.data, threads: options.speed.threads, products: options.speed.products,
            bucketBytes: options.ranks.bucket.bytes, encodesWholeImages: options.telemetry.knnEvery != nil,
            checkEvery: options.ranks.checkEvery,
            onNonFinite: options.ranks.onNonFinite,
            onCorruption: files.onCorrupt, world)
        if let pretrained {
            try world.agree { _ = try pretrained.parameters(of: trainer.replica.model) }
        }
        let validation = try world.agree {
            try files.validation.map { try configuration.makeLoader($0, files.onCorrupt) }
        }
        let neighbours = try world.agree {
            options.telemetry.knnEvery == nil
                ? nil : try NeighbourEvaluation(configuration, files, isCoordinator: isCoordinator)
        }

        let lock = try world.agree {
            isCoordinator
                ? try directory.lock {
                    var line = StatusLine(.standardOutput, terminal: nil)
                    line.say($0)
                } : nil
        }
        var warnings: [Failure] = []
        let resumed = try world.agree {
            isCoordinator
                ? try directory.prepare(configuration, settings, data, resumes: files.resume) { warnings.append($0) }
                : nil
        }
        let log = try world.agree { isCoordinator ? try RunLog(path: directory.logPath) : nil }
        let start = world.broadcast(resumed?.manifest.step ?? 0, from: 0)
        let total = configuration.schedule.totalSteps
        let last = min(total, files.stopAfter.map { max($0, start) } ?? total)
        try trainer.load(from: resumed?.path, pretrained: pretrained)

        var progress = Progress(isTalking: isCoordinator, totalSteps: total, remaining: last - start)
        if isCoordinator, resumed == nil, let warning = pretrained?.namelessClasses { warnings.append(warning) }
        for warning in warnings + trainer.loader.missing + (validation?.missing ?? []) {
            progress.say("warning: \(warning)")
        }
        progress.say(runSummary(configuration, trainer.replica.model, ranks: world.size))
        if !configuration.isIndependentOf(ranks: world.size) {
            progress.say(
                "\(configuration.virtualRanks) virtual ranks on \(world.size) ranks: other numbers of ranks round differently"
            )
        }
        if let resumed { progress.say("going on from \(resumed.path)") }

        let telemetry = try world.agree {
            try Telemetry(options, directory, configuration, trainer, validation: validation, start: start)
        }
        let checkpointer = try world.agree { try Checkpointer(trainer, files, classes: data.classes, log: log) }
        if isCoordinator, let warning = Checkpointer.spaceWarning(trainer, files) {
            progress.say("warning: \(warning)")
        }
        self.init(
            configuration: configuration, options: options, directory: directory, world: world, trainer: trainer,
            validation: validation, neighbours: neighbours, lock: lock, log: log, telemetry: telemetry,
            checkpointer: checkpointer,
            progress: progress, corruptSamples: CorruptSampleReport(rank: world.rank), start: start, done: start,
            last: last)
    }

    /// Starts reading ahead, and evaluates the initial model of a new run.
    mutating func begin() throws {
        if start > 0 { try record(LogEntry(event: "went on from step \(start) on \(counted(world.size, "rank"))")) }
        trainer.begin(at: start)
        guard start == 0 else { return }
        if world.rank == 0, let shards = options.files.validation { telemetry.showSamples(of: shards) }
        try evaluateIfDue()
    }

    /// One optimiser step and its log line. `isStopping` is called after the passes.
    ///
    /// Throws if the step fails, or too many consecutive steps were skipped or checkpoints failed.
    mutating func trainStep(_ step: Int, isStopping: () -> Bool) throws -> StepResult {
        let (checkpointer, isCoordinator) = (checkpointer, world.rank == 0)
        let result = try trainer.trainStep(step) {
            var requests = StepReport.Requests(isStopping: isStopping())
            checkpointer.add(to: &requests, isCoordinator: isCoordinator)
            return requests
        }
        done = step + 1
        let entry = LogEntry(
            result, configuration, saveSeconds: self.checkpointer.takeHeldUpSeconds(), after: done)
        try record(entry)
        telemetry.noteStep(seconds: result.seconds.total)
        corruptSamples.tell(result.substitutions)
        progress.show(entry, seconds: result.seconds.total)
        if result.isSkipped { say("warning: step \(done) is skipped: loss or gradients are not finite") }
        if result.requests.hasGivenUp { try self.checkpointer.requireSuccess(world) }
        skipsInARow = result.isSkipped ? skipsInARow + 1 : 0
        guard skipsInARow <= options.ranks.maxSkips else {
            throw SuspectState(
                Failure(
                    "\(skipsInARow) steps in a row up to step \(done) are not finite",
                    hint: "begin a new --run with a lower --lr"))
        }
        return result
    }

    /// Evaluates, compares nearest neighbours and measures the layers if due.
    mutating func evaluateIfDue() throws {
        let isEvaluation = isEvaluationDue(every: options.files.evaluateEvery)
        if isEvaluation, let validation {
            world.watchdog.begin(.evaluating, step: done)
            let (result, average) = try trainer.evaluate(on: validation)
            try record(LogEntry(result, average: average, configuration, after: done))
            say("\(result.text) after \(done) steps")
            if let average { say("\(average.text) with averaged weights") }
        }
        if let epochs = options.telemetry.knnEvery, isEvaluationDue(every: epochs) { try compareNeighbours() }
        guard telemetry.isDue(after: done, isEvaluation: isEvaluation) else { return }
        world.watchdog.begin(.evaluating, step: done)
        var warnings: [String] = []
        let entry = try telemetry.measure(trainer, step: done) { warnings.append("warning: \($0)") }
        for warning in warnings { say(warning) }
        if let entry { try record(entry) }
    }

    /// Evaluations are also due before the first step and after the last.
    private func isEvaluationDue(every epochs: Int) -> Bool {
        done == 0 || done == configuration.schedule.totalSteps || configuration.isDue(every: epochs, after: done)
    }

    private mutating func compareNeighbours() throws {
        guard let validation, neighbours != nil else { return }
        world.watchdog.begin(.evaluating, step: done)
        let accuracy = try neighbours!.accuracy(trainer.replica, validation: validation, world)
        var entry = LogEntry(step: done, epoch: configuration.epoch(after: done))
        entry.validationNeighbours = accuracy?.fraction
        try record(entry)
        let text = accuracy.map { String(format: "%.2f%%", 100 * $0.fraction) } ?? "not finite"
        say("nearest neighbours \(text) after \(done) steps")
    }

    /// Updates the report if due or if the run ends.
    mutating func reportIfDue(isLast: Bool) throws {
        guard let epochs = options.files.reportEvery, isLast || configuration.isDue(every: epochs, after: done) else {
            return
        }
        let (directory, log, isCoordinator) = (directory, log, world.rank == 0)
        let text = try world.agree {
            let text = isCoordinator ? directory.refreshReport() : nil
            if let text { _ = try log?.append(LogEntry(event: text)) }
            return text
        }
        if let text { say("warning: \(text)") }
    }

    /// Starts a checkpoint if due; if the run ends (`isLast`), waits for it.
    mutating func checkpointIfDue(_ requests: StepReport.Requests, isLast: Bool) throws {
        world.watchdog.begin(.saving, step: done)
        guard isLast else {
            if let warning = try checkpointer.saveIfDue(trainer, requests, after: done) { say("warning: \(warning)") }
            return
        }
        try checkpointer.saveAndWait(trainer, after: done)
        try record()
        try checkpointer.requireSuccess(world)
    }

    /// Saves the last complete step if `error` has not made it suspect, and returns the failure to end with, which says what was done.
    ///
    /// Collective: `error` is of the same kind on all ranks.
    mutating func saved(before error: any Error) -> Failure {
        let failure = Failure(from: error)
        guard done > start else { return failure }
        if error is SuspectState { return failure.adding("the state after \(done) steps is suspect and is not saved") }
        do {
            world.watchdog.begin(.saving, step: done)
            try checkpointer.saveAndWait(trainer, after: done)
            for event in checkpointer.takeEvents() { say("warning: \(event)") }
            try checkpointer.requireSuccess(world)
            return failure.adding("the \(done) complete steps are saved")
        } catch {
            return failure.adding("the \(done) complete steps are not saved: \(Failure(from: error).problem)")
        }
    }

    /// Prints a message on rank 0.
    mutating func say(_ text: String) { progress.say(text) }

    /// Prints the cost of measuring the layers, if any.
    mutating func sayCost() {
        if let cost = telemetry.cost { say(cost) }
    }

    /// MPI must not be finalised while a thread still sends a checkpoint.
    mutating func end() {
        checkpointer.wait()
        progress.endLine()
    }

    /// Adds a log line, and events of checkpoints since the last one.
    private mutating func record(_ entry: LogEntry? = nil) throws {
        let events = checkpointer.takeEvents()
        for event in events { say("warning: \(event)") }
        let (log, telemetry) = (log, telemetry)
        let failures = try world.agree {
            for event in events { _ = try log?.append(LogEntry(event: event)) }
            return try entry.map { [try log?.append($0), try telemetry.append($0)] } ?? []
        }
        for failure in failures { if let failure { say("warning: \(failure)") } }
    }
}
