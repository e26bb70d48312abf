import ArgumentParser
import Base
import Collectives
import CrateModel
import Diagnostics
import Foundation
import Kernels
import Settings
import Shards
import Training

struct BenchCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "bench",
        abstract: "Measure matrix products and training steps on this machine.",
        discussion: """
            crate bench --model base --batch-size 32 --threads 2
            mpirun -n 2 crate bench --model tiny --batch-size 64 --json
            mpirun -n 2 crate bench --model tiny --exchange
            crate bench --loader shards/train --epochs 10
            """)

    @OptionGroup(title: "Model") var model: ModelOptions
    @OptionGroup(title: "Masking") var masking: MaskingOptions
    @Option(help: ArgumentHelp("Images per step over all ranks.", valueName: "images"))
    var batchSize = 32
    @Option(
        help: ArgumentHelp(
            "Images per pass on a rank (default: as in pretrain).", valueName: "images"))
    var microBatch: Int?
    @Option(help: ArgumentHelp("Steps to measure, after one warm-up step.", valueName: "n"))
    var steps = 5
    @OptionGroup var speed: SpeedOptions
    @OptionGroup(title: "Ranks") var bucket: BucketOption
    @Option(help: ArgumentHelp("Format in which gradients are sent between ranks.", valueName: "fp32|bf16"))
    var wire = WireFormat.fp32
    @Flag(
        help:
            "Measure the exchange of gradients alone, beside MPI_Allreduce and the update of everything on every rank.")
    var exchange = false
    @Flag(help: "Print JSON instead of a table.")
    var json = false
    @Option(
        help: ArgumentHelp("Only measure how fast the shards of this directory are read, as JSON.", valueName: "dir"))
    var loader: String?
    @Option(help: ArgumentHelp("Epochs to read with --loader.", valueName: "n"))
    var epochs = 3

    func validate() throws {
        try requireCount("--steps", steps, upTo: 100_000)
        try requireCount("--batch-size", batchSize, upTo: 1_000_000)
        try requireCount("--micro-batch", microBatch ?? 1, upTo: 1_000_000)
        try requireCount("--epochs", epochs, upTo: 100_000)
    }

    func run() throws {
        try runWithWorld { world in
            if let loader {
                return try world.agree {
                    try printJSON(
                        benchmarkLoader(
                            data: loader, imageSize: model.imageSize, patchSize: model.patchSize, epochs: epochs))
                }
            }
            let modelConfiguration = try world.agree { try model.configuration(normalisesTargets: masking.normPix) }
            if exchange { return try measureExchange(modelConfiguration, world) }
            let data = NSTemporaryDirectory() + "crate-bench-\(UUID().uuidString)"
            defer { try? FileManager.default.removeItem(atPath: data) }
            let sampleCount = 64
            try world.agree {
                try DrawnShards.write(
                    to: data, count: sampleCount, imageSize: model.imageSize, patchSize: model.patchSize)
            }
            let configuration = TrainingConfiguration(
                model: modelConfiguration, batchSize: batchSize, virtualRanks: world.size,
                microBatch: microBatch
                    ?? TrainingConfiguration.defaultMicroBatch(
                        batchSize: batchSize, virtualRanks: world.size, threads: speed.threads),
                precision: speed.announcedPrecision(world), wire: wire,
                schedule: LearningRate(peak: 1e-5, warmupSteps: 0, totalSteps: steps + 2), weightDecay: 0.1, clip: 1,
                maskRatio: masking.maskRatio, normalisation: .imageNet, seed: 0, sampleCount: sampleCount)
            let result = try benchmark(
                configuration, data: data, threads: speed.threads, products: speed.products, steps: steps,
                bucketBytes: bucket.bytes, world: world)
            if world.rank == 0 { json ? try printJSON(result) : printTable(result) }
        }
    }

    private func measureExchange(_ configuration: ModelConfiguration, _ world: World) throws {
        let result = try benchmarkExchange(
            try Model(configuration), wire: wire, bucketBytes: bucket.bytes, rounds: steps,
            world: world)
        guard world.rank == 0 else { return }
        if json { return try printJSON(result) }
        printLine(String(format: "tree, own parts   %.4f s", result.treeSeconds))
        printLine(String(format: "MPI_Allreduce     %.4f s", result.allReduceSeconds))
    }

    private func printTable(_ result: BenchmarkResult) {
        func line(_ name: String, _ text: String) { printLine("\(name.padded(to: 14))  \(text)") }
        let rate = result.imagesPerSecond
        line(
            "set-up",
            "\(counted(result.ranks, "rank")) of \(counted(result.threads, "thread")), batch \(result.batchSize) in passes of \(result.microBatch), \(result.precision.rawValue)"
        )
        line("products", String(format: "%.1f GFLOP/s", result.productGflops))
        line(
            "images/s", String(format: "%.2f median, %.2f slowest, %.2f fastest step", rate.median, rate.min, rate.max))
        line("an image", String(format: "%.2f GFLOP", result.gflopPerImage))
        line("of the bound", String(format: "%.3f", result.fractionOfProductBound))
        line("of the peak", result.fractionOfPeak.map { String(format: "%.3f", $0) } ?? "-")
        line("peak memory", "\(result.peakMemoryBytes >> 20) MiB a rank")
        line("step", String(format: "%.4f s", result.stepSeconds))
        for (part, seconds) in result.seconds.sorted(by: { $0.value > $1.value }) {
            line("  \(part)", String(format: "%.4f s  %5.1f%%", seconds, 100 * seconds / result.stepSeconds))
        }
    }
}
