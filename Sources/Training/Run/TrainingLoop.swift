import Base
import Checkpoints
import Collectives
import Foundation
import Settings
import Shards

package enum RunEnd: Sendable {
    /// With the last step of the schedule, or of --stop-after.
    case finished
    /// With a checkpoint, because of a request to stop or the time limit.
    case stopped
}

/// Trains a CRATE-MAE or a classifier from initial values, pretrained weights, or the run's newest checkpoint to the end of the
/// schedule.
///
/// Collective: every rank computes its share of each batch; rank 0 alone writes the log and the checkpoints. All
/// ranks return, or all throw the same `Failure`; unless that makes the state suspect, the last complete step is saved before.
package func train(
    _ configuration: TrainingConfiguration, _ options: RunOptions, _ settings: RunSettings,
    from pretrained: PretrainedWeights? = nil, world: World
) throws -> RunEnd {
    var stop = StopSignal(timeLimit: options.files.timeLimit.map { 60 * $0 })
    let path = options.files.run
    let total = configuration.schedule.totalSteps

    let data = try agreedData(configuration, options, pretrained, world)
    startWatchdog(options, world)
    var run = try TrainingRun(configuration, options, settings, data, from: pretrained, world)
    defer { run.end() }
    var isStopping = world.minimum(stop.isSet ? 0 : 1) == 0
    do {
        try run.begin()
        if isStopping { run.say("stopped before step \(run.start + 1); go on with --resume") }
        for step in run.start..<run.last where !isStopping {
            let result = try run.trainStep(step, isStopping: { stop.isSet })
            isStopping = result.requests.isStopping && run.done < run.last
            let isLast = isStopping || run.done == run.last

            // Saved first: what comes after it may fail.
            var watch = Stopwatch()
            try run.checkpointIfDue(result.requests, isLast: isLast)
            if !isStopping { try run.evaluateIfDue() }
            try run.reportIfDue(isLast: isLast)
            stop.noteDuration(result.seconds.total + watch.lap(), save: run.checkpointer.longestSeconds)
            if isStopping { run.say("stopped after \(run.done) steps; go on with --resume") }
        }
    } catch {
        throw run.saved(before: error)
    }
    run.sayCost()
    guard !isStopping else { return .stopped }
    run.say(
        run.start == run.last
            ? "nothing left to do: \(path) holds \(run.last) steps; --steps or --epochs can be more"
            : "done: \(path) holds \(run.last) steps" + (run.last < total ? " of \(total)" : ""))
    return .finished
}

/// The data of the run. Refuses ranks whose options resolve to another computation than those of rank 0, or whose data or program differ, before they would
/// wait for each other forever. The options themselves are compared when the ranks start.
private func agreedData(
    _ configuration: TrainingConfiguration, _ options: RunOptions, _ pretrained: PretrainedWeights?, _ world: World
) throws -> RunData {
    var fields = try configuration.fields
    fields["from"] = pretrained?.file
    fields["program version"] = programVersion
    let layout = try world.agree { try configuration.makeModel().layout.parameters }.map {
        "\($0.name)\($0.shape)\($0.offset)"
    }
    fields["parameter layout"] = String(format: "%08x", Checksum(of: [UInt8](layout.joined().utf8)).value)
    let data = try world.agree {
        try RunData(configuration, options.files, comparesLabels: options.telemetry.knnEvery != nil, pretrained)
    }
    fields["training shards"] = data.fields[RunData.training]
    fields["validation shards"] = data.fields[RunData.validation] ?? "none"
    try world.requireEqual(fields)
    return data
}

private func startWatchdog(_ options: RunOptions, _ world: World) {
    let (logPath, isCoordinator) = (RunDirectory(path: options.files.run).logPath, world.rank == 0)
    world.watchdog.start(options.ranks.limits) { text in
        printError("warning: \(text)")
        // Called on any thread, so not through the log of the loop.
        if isCoordinator { _ = try? RunLog(path: logPath).append(LogEntry(event: text)) }
    }
}
