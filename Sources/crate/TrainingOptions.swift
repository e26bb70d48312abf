import ArgumentParser
import Base
import Collectives
import Kernels
import Settings
import Shards
import Training

/// What `pretrain`, `train` and `finetune` have in common.
struct TrainingOptions: ParsableArguments {
    @OptionGroup(title: "Configuration file") var file: ConfigurationOptions
    @OptionGroup var run: RunOptions
    @OptionGroup(title: "Recipe") var recipe: RecipeOptions

    /// Trains the configuration that `configuration` makes of the training shards' index, the precision and the number of ranks, from
    /// `pretrained` or initial values.
    func train(
        _ world: World, from pretrained: PretrainedWeights? = nil,
        configuration: (ShardIndex, Precision, Int) throws -> TrainingConfiguration
    ) throws {
        let precision = run.speed.announcedPrecision(world)
        let (configuration, warnings) = try world.agree {
            let index = try ShardIndex.read(directory: run.files.data)
            let configuration = try configuration(index, precision, world.size)
            return (configuration, configuration.warnings(for: index))
        }
        if world.rank == 0 { for text in warnings { printError("warning: \(text)") } }
        // Without options that belong to one start.
        let settings = try GivenArguments.ofProcess.get()
            .settings(without: ["stop-after", "time-limit", "run", "resume", "config", "print-config", "debug"])
        let end = try Training.train(configuration, run, settings, from: pretrained, world: world)
        if end == .stopped { throw stoppedEarly }
    }
}
