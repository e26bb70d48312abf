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
    @OptionGroup(title: "Masking") var masking: MaskingOptions
    @OptionGroup(title: "Recipe") var recipe: RecipeOptions
    @OptionGroup(title: "Speed") var speed: SpeedOptions
    @OptionGroup(title: "Ranks") var distribution: DistributionArguments
    @OptionGroup(title: "Telemetry") var telemetry: TelemetryArguments
    @Flag(
        help: """
            Look at the run instead of starting it, in one process: the values of every layer, gradients against differences, \
            one batch over and over, times. Takes one micro-batch, a small model and drawn images where nothing else is \
            given, and with --resume the newest checkpoint; --batch-size says only how large that is. Exit code 1, and a dump in \
            RUN/debug, where something is wrong.
            """)
    var debug = false

    func validate() throws { try telemetry.demandValidation(files) }

    func run() throws {
        if debug { return try look() }
        StopSignal.listen()
        try runWithWorld { world in
            let run = TrainingRun(
                files: files, speed: speed, distribution: distribution, telemetry: telemetry)
            try run.train(world) { index, precision, ranks in
                try recipe.configuration(
                    try model.configuration(normalisesTargets: masking.normPix), maskRatio: masking.maskRatio,
                    sampleCount: index.total, normalisation: try recipe.normalisation(of: index),
                    precision: precision, ranks: ranks)
            }
        }
    }

    /// What --debug does.
    private func look() throws {
        try runWithWorld { world in
            guard world.size == 1 else {
                throw Failure(
                    "--debug is for one process, and there are \(world.size) ranks", hint: "start it without mpirun")
            }
            let modelConfiguration = try model.configuration(normalisesTargets: masking.normPix)
            let drawn = NSTemporaryDirectory() + "crate-debug-\(UUID().uuidString)"
            defer { try? FileManager.default.removeItem(atPath: drawn) }
            let isDrawn = files.data == DebugDefaults.drawnData
            if isDrawn {
                try DrawnShards.write(to: drawn, count: 16, imageSize: model.imageSize, patchSize: model.patchSize)
            }
            let data = isDrawn ? drawn : files.data
            let index = try ShardIndex.read(directory: data)
            let configuration = try recipe.configuration(
                modelConfiguration, maskRatio: masking.maskRatio, sampleCount: index.total,
                normalisation: try recipe.normalisation(of: index),
                precision: speed.announcedPrecision(world), ranks: recipe.virtualRanks ?? 1)
            let store = RunDirectory(path: files.run).checkpoints
            let newest = files.resume ? store.newest { printError("warning: \($1)") } : nil
            try debugRun(
                configuration, data: data, checkpoint: newest?.path, threads: speed.threads, dump: "\(files.run)/debug"
            ) { print($0) }
        }
    }
}
