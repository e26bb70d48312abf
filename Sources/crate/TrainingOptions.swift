import ArgumentParser
import Collectives
import Kernels
import Shards
import Training

/// What `pretrain`, `train` and `finetune` have in common: a run, whatever is trained in it.
struct TrainingOptions: ParsableArguments {
    @OptionGroup(title: "Configuration file") var file: ConfigurationOptions
    @OptionGroup(title: "Data and run") var files: FileOptions
    @OptionGroup(title: "Recipe") var recipe: RecipeOptions
    @OptionGroup(title: "Speed") var speed: SpeedOptions
    @OptionGroup(title: "Ranks") var distribution: DistributionArguments
    @OptionGroup(title: "Telemetry") var telemetry: TelemetryArguments

    func validate() throws { try telemetry.demandValidation(files) }

    /// Trains what `configuration` makes of the index of the training shards, the precision and the number of ranks, from
    /// `pretrained`
    /// or from initial values.
    func train(
        _ world: World, from pretrained: PretrainedWeights? = nil,
        configuration: (ShardIndex, Precision, Int) throws -> TrainingConfiguration
    ) throws {
        let precision = speed.announcedPrecision(world)
        let (configuration, doubts) = try world.agree {
            let index = try ShardIndex.read(directory: files.data)
            let configuration = try configuration(index, precision, world.size)
            return (configuration, configuration.doubts(of: index))
        }
        if world.rank == 0 { for text in doubts { printError("warning: \(text)") } }
        let options = RunOptions(
            data: files.data, validation: files.validation, run: RunDirectory(path: files.run), pretrained: pretrained,
            resumes: files.resume, settings: try files.settings, evaluateEvery: files.evaluateEvery,
            saveEvery: files.saveEvery, retention: files.retention, saveFailures: files.saveFailures,
            stopAfter: files.stopAfter, timeLimit: files.timeLimit.map { 60 * $0 }, threads: speed.threads,
            onCorruption: files.onCorrupt, distribution: distribution.options,
            telemetry: telemetry.options, reportEvery: files.reportEvery)
        if try Training.train(configuration, options, world: world) == .stopped { throw stoppedEarly }
    }
}
