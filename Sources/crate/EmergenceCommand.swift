import Analysis
import ArgumentParser
import Base
import Foundation
import Settings

struct EmergenceCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "emergence",
        abstract: "Measure how well the class token's attention covers objects with known masks.",
        discussion: """
            For each head, the mean over the images of intersection over union (IoU) of the objects with the patches that keep most \
            of the attention. The best head is chosen on every other image and judged on the rest; so is the blob, the patches \
            next to the centre, which takes no model at all. --random tells what initial weights get.

            crate synthesize drawings --masks masks
            crate emergence --checkpoint runs/tiny --images drawings --masks masks
            crate emergence --checkpoint runs/tiny/checkpoints/* \\
                --images drawings --masks masks --json
            """)

    @Option(
        parsing: .upToNextOption,
        help: ArgumentHelp("Runs, checkpoints, or exports: one or more.", valueName: "path"))
    var checkpoint: [String]
    @OptionGroup var kind: WeightsOption
    @Option(help: ArgumentHelp("Directory of images, searched recursively.", valueName: "dir"))
    var images: String
    @Option(
        help: ArgumentHelp(
            "Directory of their masks, of the same names, as PNG, white where an object is.", valueName: "dir"))
    var masks: String
    @Option(help: ArgumentHelp("Number of images to use, evenly spaced.", valueName: "n"))
    var count = 200
    @Option(help: ArgumentHelp("Encoder block, counted from 1 (default: the last).", valueName: "n"))
    var layer: Int?
    @Option(help: ArgumentHelp("Fraction of the attention that a mask covers.", valueName: "x"))
    var mass = 0.6
    @Option(
        help: ArgumentHelp("Use random initial weights of this seed instead of the trained ones.", valueName: "seed"))
    var random: UInt64?
    @Flag(help: "Print one JSON object per checkpoint.")
    var json = false
    @OptionGroup(title: "Speed") var speed: SpeedOptions

    /// A line of `--json`.
    private struct Record: Encodable {
        let checkpoint: String
        let layer: Int
        let mass: Double
        let random: UInt64?
        let result: Emergence.Result
    }

    func validate() throws {
        guard !checkpoint.isEmpty else { throw ValidationError("--checkpoint takes one path or more.") }
        guard mass > 0, mass <= 1 else { throw ValidationError("--mass takes a number above 0 and up to 1.") }
        try requireCount("--count", count, upTo: 1_000_000)
    }

    func run() throws {
        try runWithWorld { world in
            for path in checkpoint {
                let loaded = try speed.load(path, kind, random: random, world)
                try world.agree {
                    guard world.rank == 0 else { return }
                    let pictures = try SegmentedPictures(images: images, masks: masks, count: count)
                    let block = layer ?? loaded.model.configuration.depth
                    let result = try loaded.emergence(of: pictures, block: block, mass: mass)
                    let record = Record(
                        checkpoint: loaded.file, layer: block, mass: mass, random: random, result: result)
                    if json { try printJSON(record) } else { show(record) }
                }
            }
        }
    }

    private func show(_ record: Record) {
        let result = record.result
        printLine("\(record.checkpoint), layer \(record.layer), \(counted(result.images, "image"))")
        for (index, head) in result.heads.enumerated() { printLine("  head \(index + 1): \(text(head))") }
        printLine("  mean of the heads: \(String(format: "%.4f", result.mean))")
        printLine("  best head, \(result.best.chosen), on the other half: \(text(result.best.overlap))")
        printLine("  blob of \(result.blob.chosen) patches, on the other half: \(text(result.blob.overlap))")
    }

    private func text(_ overlap: Emergence.Result.Overlap) -> String {
        String(format: "IoU %.4f ± %.4f", overlap.iou, overlap.error)
    }
}
