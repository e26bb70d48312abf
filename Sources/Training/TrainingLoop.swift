import Checkpoints
import Collectives
import CrateModel
import Files
import Foundation
import Kernels
import Shards

/// How a run ended.
public enum RunEnd: Sendable {
    /// With the last step of the schedule, or the one it was told to stop after.
    case finished
    /// With a checkpoint, since it was asked to stop or its time was up.
    case stopped
}

/// Trains a model, a CRATE-MAE or a classifier, from its initial values, those of another model, or the run's newest checkpoint
/// to the end of the schedule.
///
/// Collective: every rank computes its share of each batch; rank 0 alone writes the log and the checkpoints. All
/// ranks return, or all throw the same `Failure`.
public func train(
    _ configuration: TrainingConfiguration, _ options: RunOptions, world: World
) throws -> RunEnd {
    var stop = StopSignal(timeLimit: options.timeLimit)
    let total = configuration.schedule.totalSteps
    let isCoordinator = world.rank == 0

    // ---- everything that can be refused, and all memory ----
    try demandAgreement(configuration, options, world)
    startWatchdog(options, world)
    var trainer = try Trainer(
        configuration, data: options.data, threads: options.threads, options.distribution, onDamage: options.onDamage,
        world)
    if let start = options.start, let classifier = trainer.model.classifier {
        _ = try world.agree { try start.parameters(of: classifier) }
    }
    let validation = try world.agree {
        try options.validation.map { try makeLoader($0, configuration, options.onDamage) }
    }

    // ---- where to start ----
    let lock = try world.agree { isCoordinator ? try options.run.lock() : nil }
    var warnings: [Failure] = []
    let resumed = try world.agree {
        isCoordinator
            ? try options.run.prepare(configuration, options, ranks: world.size) { warnings.append($0) } : nil
    }
    let log = try world.agree { isCoordinator ? try RunLog(path: options.run.logPath) : nil }
    let start = world.broadcast(resumed?.manifest.step ?? 0, from: 0)
    let end = min(total, options.stopAfter.map { max($0, start) } ?? total)
    try trainer.load(from: resumed?.path, start: options.start)
    var progress = Progress(isTalking: isCoordinator, totalSteps: total, remaining: end - start)
    defer { progress.endLine() }
    for warning in warnings + trainer.loader.missing + (validation?.missing ?? []) {
        progress.say("warning: \(warning)")
    }
    var damage = DamageReport(rank: world.rank)
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

    // ---- train ----
    let saver = try world.agree {
        try CheckpointSaver(trainer, store: options.run.checkpoints, retention: options.retention)
    }
    // However the run ends: MPI must not be ended under the thread that sends a checkpoint.
    defer { saver.wait() }
    var saving = Saving(options)
    func noteSaves() throws {
        for outcome in saver.takeOutcomes() {
            guard let text = saving.note(outcome) else { continue }
            progress.say("warning: \(text)")
            _ = try log?.append(LogEntry(event: text))
        }
    }
    func record(_ entry: LogEntry, andSaves: Bool = false) throws {
        try world.agree {
            for failure in [try log?.append(entry), try telemetry.append(entry)] {
                if let failure { progress.say("warning: \(failure)") }
            }
            if andSaves { try noteSaves() }
        }
    }
    func lookUp(after step: Int, isEvaluation: Bool) throws {
        if isEvaluation { try evaluateNow(after: step) }
        guard telemetry.isDue(after: step, isEvaluation: isEvaluation) else { return }
        world.watchdog.begin(.evaluating, step: step)
        let entry = try telemetry.measure(trainer, step: step) { progress.say("warning: \($0)") }
        if let entry { try record(entry) }
    }
    func evaluateNow(after step: Int) throws {
        guard let validation else { return }
        world.watchdog.begin(.evaluating, step: step)
        let result = try evaluate(
            trainer.model, parameters: trainer.optimizer.parameters.pointer, workspace: trainer.workspace,
            loader: validation, chunk: configuration.microBatch, world: world)
        try record(LogEntry(result, configuration, after: step))
        progress.say("\(result.text) after \(step) steps")
    }
    func refreshReport() throws {
        try world.agree {
            guard isCoordinator, let text = options.run.refreshReport() else { return }
            progress.say("warning: \(text)")
            _ = try log?.append(LogEntry(event: text))
        }
    }
    if start > 0 { try record(LogEntry(event: "went on from step \(start) on \(world.size) ranks")) }
    trainer.begin(at: start)
    if start == 0 {
        if isCoordinator, let directory = options.validation { telemetry.showSamples(of: directory) }
        try lookUp(after: 0, isEvaluation: true)
    }
    var saveSeconds: Double?
    var (skips, isStopping) = (0, world.minimum(stop.isSet ? 0 : 1) == 0)
    if isStopping { progress.say("stopped before step \(start + 1); go on with --resume") }
    for step in start..<end where !isStopping {
        let result = try trainer.run(step: step) {
            .init(
                isStopping: stop.isSet, isSaveDue: isCoordinator && saving.isDueByClock, isSaving: saver.isBusy,
                hasGivenUp: saving.hasGivenUp)
        }
        let done = step + 1
        skips = result.isSkipped ? skips + 1 : 0
        let entry = LogEntry(result, configuration, saveSeconds: saveSeconds, after: done)
        saveSeconds = nil
        try record(entry, andSaves: true)
        telemetry.noteStep(seconds: result.seconds.total)
        damage.tell(result.substitutions)
        progress.show(entry, seconds: result.seconds.total)
        if result.isSkipped { progress.say("warning: step \(done) is skipped: loss or gradients are not finite") }
        guard skips <= options.distribution.maxSkips else {
            throw Failure(
                "\(skips) steps in a row up to step \(done) are not finite",
                hint: "begin a new --run with a lower --lr")
        }
        if result.wishes.hasGivenUp { try world.share(saving.lastFailure) }
        isStopping = result.wishes.isStopping && done < end

        var watch = Stopwatch()
        if done == total || !isStopping {
            let isEvaluation = done == total || configuration.isDue(every: options.evaluateEvery, after: done)
            try lookUp(after: done, isEvaluation: isEvaluation)
        }
        world.watchdog.begin(.saving, step: done)
        if let epochs = options.reportEvery,
            isStopping || done == end || configuration.isDue(every: epochs, after: done)
        {
            try refreshReport()
        }
        if isStopping || done == end {
            // What is being written comes to its end first.
            saver.wait()
            try trainer.demandSound(step: done)
            saver.start(trainer, step: done)
            saver.wait()
            try world.agree {
                try noteSaves()
                if let failure = saving.lastFailure { throw failure }
            }
        } else if result.wishes.isSaveDue || saving.isDue(configuration, after: done) {
            if result.wishes.isSaving {
                progress.say("warning: a checkpoint is still being written; that of step \(done) is left out")
            } else {
                _ = watch.lap()
                try trainer.demandSound(step: done)
                saver.start(trainer, step: done)
                saving.noteStart()
                saveSeconds = watch.lap()
            }
        }
        stop.noteDuration(result.seconds.total + watch.lap())
        if isStopping { progress.say("stopped after \(done) steps; go on with --resume") }
    }
    _ = consume lock
    if let cost = telemetry.cost { progress.say(cost) }
    guard !isStopping else { return .stopped }
    progress.say(
        start == end
            ? "nothing left to do: \(options.run.path) holds \(end) steps; --steps or --epochs can be more"
            : "done: \(options.run.path) holds \(end) steps" + (end < total ? " of \(total)" : ""))
    return .finished
}

/// Refuses ranks that were started with something else than rank 0, before they wait for each other forever.
private func demandAgreement(
    _ configuration: TrainingConfiguration, _ options: RunOptions, _ world: World
) throws {
    var fields = options.shared.merging(try configuration.fields) { own, _ in own }
    fields["program version"] = programVersion
    let layout = try world.agree { try configuration.makeModel().layout.parameters }.map {
        "\($0.name)\($0.shape)\($0.offset)"
    }
    fields["parameter layout"] = String(format: "%08x", Checksum(of: [UInt8](layout.joined().utf8)).value)
    try world.agree {
        try demandSameClasses(configuration, options)
        fields["training shards"] = try ShardIndex.fingerprint(directory: options.data)
        fields["validation shards"] = try options.validation.map { try ShardIndex.fingerprint(directory: $0) } ?? "none"
    }
    try world.demandEqual(fields)
}

/// Refuses validation shards of other classes than those to train on: their labels would mean something else.
private func demandSameClasses(_ configuration: TrainingConfiguration, _ options: RunOptions) throws {
    guard configuration.classification != nil, let validation = options.validation else { return }
    let classes = try [options.data, validation].map { try ShardIndex.read(directory: $0).classes }
    guard classes[0] == classes[1] else {
        throw Failure(
            "\(validation) has other classes than \(options.data) (\(classes[1].count) and \(classes[0].count))",
            hint: "shard it again with --classes \(options.data)/index.json")
    }
}

private func startWatchdog(_ options: RunOptions, _ world: World) {
    let (logPath, isCoordinator) = (options.run.logPath, world.rank == 0)
    world.watchdog.start(options.distribution.limits) { text in
        try? FileHandle.standardError.write(contentsOf: Data("crate: warning: \(text)\n".utf8))
        // On any thread, so not through the log that the loop writes.
        if isCoordinator { _ = try? RunLog(path: logPath).append(LogEntry(event: text)) }
    }
}

func makeLoader(
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
            "%d rank%@, %.1f M parameters (width %d, depth %d%@, %d heads), images of %d pixels in patches of %d, %d samples, "
            + "%d steps of %d, peak lr %.2e",
        ranks, ranks == 1 ? "" : "s", Double(model.layout.parameterCount) / 1e6, shape.dim, shape.depth,
        head ?? " + \(shape.decoderDepth)", shape.heads, shape.imageSize, shape.patchSize, configuration.sampleCount,
        schedule.totalSteps,
        configuration.batchSize, schedule.peak)
}

/// A validation loss as it is printed everywhere.
public func formatted(_ loss: Double) -> String { String(format: "%.6f", loss) }
