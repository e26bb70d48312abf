import Base
import Checkpoints
import Collectives
import Foundation
import Shards

/// How a run ended.
package enum RunEnd: Sendable {
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
package func train(
    _ configuration: TrainingConfiguration, _ options: RunOptions, world: World
) throws -> RunEnd {
    var stop = StopSignal(timeLimit: options.timeLimit)
    let total = configuration.schedule.totalSteps

    try demandAgreement(configuration, options, world)
    startWatchdog(options, world)
    var run = try TrainingRun(configuration, options, world)
    defer { run.end() }
    try run.begin()

    var isStopping = world.minimum(stop.isSet ? 0 : 1) == 0
    if isStopping { run.say("stopped before step \(run.start + 1); go on with --resume") }
    for step in run.start..<run.last where !isStopping {
        let done = step + 1
        let result = try run.trainStep(step, isStopping: { stop.isSet })
        isStopping = result.requests.isStopping && done < run.last
        let isLast = isStopping || done == run.last

        var watch = Stopwatch()
        if !isStopping { try run.evaluateIfDue(after: done) }
        try run.reportIfDue(after: done, isLast: isLast)
        try run.checkpointIfDue(result.requests, after: done, isLast: isLast)
        stop.noteDuration(result.seconds.total + watch.lap(), save: run.checkpointer.longestSeconds)
        if isStopping { run.say("stopped after \(done) steps; go on with --resume") }
    }
    run.sayCost()
    guard !isStopping else { return .stopped }
    run.say(
        run.start == run.last
            ? "nothing left to do: \(options.run.path) holds \(run.last) steps; --steps or --epochs can be more"
            : "done: \(options.run.path) holds \(run.last) steps" + (run.last < total ? " of \(total)" : ""))
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
