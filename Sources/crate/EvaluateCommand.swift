import ArgumentParser
import Base
import Settings
import Training

struct EvaluateCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "evaluate",
        abstract: "Print the validation loss of a checkpoint, and a classifier's accuracy, alone or under mpirun.",
        discussion: """
            crate evaluate --checkpoint runs/tiny --data shards/val
            mpirun -n 8 crate evaluate --data shards/val \\
                --checkpoint runs/tiny/checkpoints/step-0000000100
            """)

    @Option(
        help: ArgumentHelp(
            "A run, one of its checkpoints, or a .safetensors file that carries its configuration.", valueName: "path"))
    var checkpoint: String
    @OptionGroup var kind: WeightsOption
    @Option(help: ArgumentHelp("Shard directory to evaluate on.", valueName: "dir"))
    var data: String
    @Option(help: ArgumentHelp("Fraction of patches to mask (default: as in training).", valueName: "x"))
    var maskRatio: Double?

    @OptionGroup var speed: SpeedOptions

    func run() throws {
        try runWithWorld { world in
            let result = try evaluateCheckpoint(
                checkpoint, weights: kind.weights, data: data, maskRatio: maskRatio,
                precision: speed.announcedPrecision(world), products: speed.products, threads: speed.threads,
                world: world)
            guard world.rank == 0 else { return }
            for warning in result.warnings { printError("warning: \(warning)") }
            printLine("\(result.result.text) over \(counted(result.samples, "sample")), \(result.file)")
        }
    }
}
