import ArgumentParser
import Base
import Checkpoints
import Diagnostics
import Foundation
import Shards
import Training

struct PretrainCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "pretrain",
        abstract: "Pretrain a CRATE-MAE on shards, alone or under mpirun.",
        discussion: """
            crate pretrain --data shards/train --validation shards/val --run runs/tiny \\
                --epochs 100
            mpirun -n 8 crate pretrain --data shards/train --run runs/base \\
                --model base --batch-size 1024 --resume
            crate pretrain --debug
            """)

    @OptionGroup var training: TrainingOptions
    @OptionGroup(title: "Model") var model: ModelOptions
    @OptionGroup(title: "Masking") var masking: MaskingOptions
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
            try training.train(world) { index, precision, ranks in
                try training.recipe.configuration(
                    try model.configuration(
                        normalisesTargets: masking.normPix, channels: index.pixelFormat.channels),
                    maskRatio: masking.maskRatio,
                    sampleCount: index.total, normalisation: try training.recipe.normalisation(of: index),
                    precision: precision, ranks: ranks,
                    threads: training.run.speed.threads)
            }
        }
    }

    /// `--debug`.
    private func look() throws {
        try runWithWorld { world in
            guard world.size == 1 else {
                throw Failure(
                    "--debug is for one process, and there are \(world.size) ranks", hint: "start it without mpirun")
            }
            let drawn = NSTemporaryDirectory() + "crate-debug-\(UUID().uuidString)"
            defer { try? FileManager.default.removeItem(atPath: drawn) }
            let isDrawn = training.run.files.data == DebugDefaults.drawnData
            if isDrawn {
                try DrawnShards.write(to: drawn, count: 16, imageSize: model.imageSize, patchSize: model.patchSize)
            }
            let data = isDrawn ? drawn : training.run.files.data
            let index = try ShardIndex.read(directory: data)
            let configuration = try training.recipe.configuration(
                try model.configuration(normalisesTargets: masking.normPix, channels: index.pixelFormat.channels),
                maskRatio: masking.maskRatio, sampleCount: index.total,
                normalisation: try training.recipe.normalisation(of: index),
                precision: training.run.speed.announcedPrecision(world), ranks: training.recipe.virtualRanks ?? 1,
                threads: training.run.speed.threads)
            let store = RunDirectory(path: training.run.files.run).checkpoints
            let newest = training.run.files.resume ? store.newest { printError("warning: \($1)") } : nil
            guard newest != nil || !training.run.files.resume else {
                throw Failure(
                    "\(training.run.files.run) holds no checkpoint",
                    hint: "check --run, or leave --resume out for initial values")
            }
            printLine(isDrawn ? "images drawn for this, since there is no --data" : "shards of \(data)")
            try debugRun(
                configuration, data: data, checkpoint: newest?.path, threads: training.run.speed.threads,
                products: training.run.speed.products,
                dump: RunFile.debug.path(in: training.run.files.run)
            ) { printLine($0) }
        }
    }
}
