import ArgumentParser
import Collectives
import Files
import Foundation
import Shards
import Training

struct PretrainCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "pretrain",
        abstract: "Pretrain a CRATE-MAE on shards, alone or under mpirun.",
        discussion: """
            crate pretrain --data shards/train --validation shards/val --run runs/tiny --epochs 100
            mpirun -n 8 crate pretrain --data shards/train --run runs/base --model base --batch-size 1024 --resume
            crate pretrain --debug
            """)

    @OptionGroup(title: "Configuration file") var file: ConfigurationOptions
    @OptionGroup(title: "Data and run") var files: FileOptions
    @OptionGroup(title: "Model") var model: ModelOptions
    @OptionGroup(title: "Recipe") var recipe: RecipeOptions
    @OptionGroup(title: "Speed") var speed: SpeedOptions
    @OptionGroup(title: "Ranks") var distribution: DistributionArguments
    @Flag(
        help: """
            Look at the run instead of starting it, in one process: the values of every layer, gradients against differences, \
            one batch over and over, times. Takes one micro-batch, a small model and drawn images where nothing else is \
            given, and with --resume the newest checkpoint; --batch-size says only how large that is. Exit code 1, and a dump in \
            RUN/debug, where something is wrong.
            """)
    var debug = false

    func run() throws {
        if debug { return try look() }
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

    /// What --debug does.
    private func look() throws {
        try runWithWorld { world in
            guard world.size == 1 else {
                throw Failure(
                    "--debug is for one process, and there are \(world.size) ranks", hint: "start it without mpirun")
            }
            let modelConfiguration = try model.configuration()
            let drawn = NSTemporaryDirectory() + "crate-debug-\(UUID().uuidString)"
            defer { try? FileManager.default.removeItem(atPath: drawn) }
            let isDrawn = files.data == DebugDefaults.drawnData
            if isDrawn {
                try DrawnShards.write(to: drawn, count: 16, imageSize: model.imageSize, patchSize: model.patchSize)
            }
            let data = isDrawn ? drawn : files.data
            let index = try ShardIndex.read(directory: data)
            let configuration = try recipe.configuration(
                modelConfiguration, sampleCount: index.total, normalisation: try recipe.normalisation(of: index),
                precision: speed.announcedPrecision(world), ranks: recipe.virtualRanks ?? 1)
            let store = RunDirectory(path: files.run).checkpoints
            let newest = files.resume ? store.newest { printError("warning: \($1)") } : nil
            try debugRun(
                configuration, data: data, checkpoint: newest?.path, threads: speed.threads, dump: "\(files.run)/debug"
            ) { print($0) }
        }
    }
}
