import ArgumentParser
import Collectives
import Files
import Kernels
import Shards
import Training

/// A run as the command line describes it, whatever is trained: what `pretrain`, `train` and `finetune` have in common.
struct TrainingRun {
    let files: FileOptions
    let speed: SpeedOptions
    let distribution: DistributionArguments
    let telemetry: TelemetryArguments
    var start: StartingPoint?

    /// Trains what `configuration` makes of the index of the training shards, the precision and the number of ranks.
    func train(
        _ world: World, configuration: (ShardIndex, Precision, Int) throws -> PretrainConfiguration
    ) throws {
        let precision = speed.announcedPrecision(world)
        let configuration = try world.agree {
            try configuration(try ShardIndex.read(directory: files.data), precision, world.size)
        }
        let options = PretrainOptions(
            data: files.data, validation: files.validation, run: RunDirectory(path: files.run), start: start,
            resumes: files.resume, arguments: try files.argumentsToKeep, evaluateEvery: files.evaluateEvery,
            saveEvery: files.saveEvery, retention: files.retention, saveFailures: files.saveFailures,
            stopAfter: files.stopAfter, timeLimit: files.timeLimit.map { 60 * $0 }, threads: speed.threads,
            onDamage: files.onCorrupt, distribution: distribution.options,
            telemetry: telemetry.options, reportEvery: files.reportEvery)
        if try Training.train(configuration, options, world: world) == .stopped { throw stoppedEarly }
    }
}
