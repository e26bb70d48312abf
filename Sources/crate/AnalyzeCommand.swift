import Analysis
import ArgumentParser
import Base
import Foundation
import Settings

struct AnalyzeCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "analyze",
        abstract: "Measure the layers of checkpoints: coding rate, sparsity and more, alone or under mpirun.",
        discussion: """
            crate analyze --checkpoint runs/tiny --data shards/val
            mpirun -n 8 crate analyze --checkpoint runs/tiny/checkpoints/* \\
                --data shards/val --csv layers.csv
            """)

    @Option(
        parsing: .upToNextOption,
        help: ArgumentHelp(
            "Runs, checkpoints, or .safetensors files that carry their configuration: one or more.", valueName: "path"))
    var checkpoint: [String]
    @OptionGroup var kind: WeightsOption
    @Option(help: ArgumentHelp("Shard directory with the samples to measure.", valueName: "dir"))
    var data: String
    @Option(help: ArgumentHelp("Number of samples to measure, evenly spaced.", valueName: "n"))
    var images = 64
    @Option(help: ArgumentHelp("Fraction of patches to mask (default: as in training).", valueName: "x"))
    var maskRatio: Double?
    @Option(
        help: ArgumentHelp(
            "Write the measures to this file, as a JSON array of one object a checkpoint.", valueName: "file"))
    var json: String?
    @Option(
        help: ArgumentHelp("Write the metrics to this file, one CSV line per block.", valueName: "file"))
    var csv: String?

    @OptionGroup var speed: SpeedOptions

    func validate() throws {
        guard !checkpoint.isEmpty else { throw ValidationError("--checkpoint takes one path or more.") }
        try requireCount("--images", images, upTo: 1_000_000)
    }

    func run() throws {
        try runWithWorld { world in
            let precision = speed.announcedPrecision(world)
            let measurements = try checkpoint.map { path in
                try analyseCheckpoint(
                    path, weights: kind.weights, data: data, images: images, maskRatio: maskRatio, precision: precision,
                    products: speed.products, threads: speed.threads, world: world
                ) { printError("warning: \($0)") }
            }
            let table = MetricsTable(measurements)
            try world.agree {
                guard world.rank == 0 else { return }
                if let json { try DurableFile.write(try jsonBytes(measurements), to: json) }
                if let csv { try DurableFile.write([UInt8](table.csv.utf8), to: csv) }
            }
            if world.rank == 0 { table.print() }
        }
    }

    private func jsonBytes(_ measurements: [LayerMeasurement]) throws -> [UInt8] {
        let encoder = JSONEncoder()
        encoder.keyEncodingStrategy = .convertToSnakeCase
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        return [UInt8](try encoder.encode(measurements))
    }
}
