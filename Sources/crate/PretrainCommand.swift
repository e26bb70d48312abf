import ArgumentParser
import Collectives
import Files
import Shards
import Training

struct PretrainCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "pretrain",
        abstract: "Pretrain a CRATE-MAE on shards, alone or under mpirun.",
        discussion: """
            crate pretrain --data shards/train --validation shards/val --run runs/tiny --epochs 100
            mpirun -n 8 crate pretrain --data shards/train --run runs/base --model base --batch-size 1024 --resume
            """)

    @OptionGroup(title: "Configuration file") var file: ConfigurationOptions
    @OptionGroup(title: "Data and run") var files: FileOptions
    @OptionGroup(title: "Model") var model: ModelOptions
    @OptionGroup(title: "Recipe") var recipe: RecipeOptions
    @OptionGroup(title: "Speed") var speed: SpeedOptions
    @OptionGroup(title: "Ranks") var distribution: DistributionArguments

    func run() throws {
        StopSignal.listen()
        try runWithWorld { world in
            let modelConfiguration = try world.agree { try model.configuration() }
            let index = try world.agree { try ShardIndex.read(directory: files.data) }
            let sampleCount = world.broadcast(index.total, from: 0)
            let precision = speed.announcedPrecision(world)
            let configuration = try world.agree {
                try recipe.configuration(
                    modelConfiguration, sampleCount: sampleCount, normalisation: try recipe.normalisation(of: index),
                    precision: precision, ranks: world.size)
            }
            let options = PretrainOptions(
                data: files.data, validation: files.validation, run: RunDirectory(path: files.run),
                resumes: files.resume, arguments: try files.argumentsToKeep, evaluateEvery: files.evaluateEvery,
                saveEvery: files.saveEvery, retention: files.retention, saveFailures: files.saveFailures,
                stopAfter: files.stopAfter, timeLimit: files.timeLimit.map { 60 * $0 }, threads: speed.threads,
                onDamage: files.onCorrupt, distribution: distribution.options)
            if try pretrain(configuration, options, world: world) == .stopped { throw stoppedEarly }
        }
    }
}
