import ArgumentParser
import Base
import Foundation
import Images
import Shards
import Training

struct InspectCommand: SingleProcessCommand {
    static let configuration = CommandConfiguration(
        commandName: "inspect",
        abstract: "Show the contents of shards: counts, sizes, classes, pictures.",
        discussion: """
            crate inspect shards/train
            crate inspect shards/val --sheet sheet.png --samples 100
            """)

    @Argument(help: "The directory of shards.")
    var dir: String

    @Option(help: ArgumentHelp("Write pictures of samples, side by side, to this PNG file.", valueName: "file"))
    var sheet: String?

    @Option(help: "Number of samples on the sheet, evenly spaced.")
    var samples = 64

    @OptionGroup var view: ViewOptions

    func validate() throws {
        guard (1...4096).contains(samples) else { throw ValidationError("--samples must be in 1...4096.") }
    }

    func run() throws {
        var directory = try ShardDirectory(path: dir)
        let index = directory.index
        let bytes = index.shards.reduce(0) { $0 + $1.bytes }
        printLine("samples   \(index.total) \(ofClasses(index.classes.count))")
        printLine("stored    \(index.storedForm)")
        printLine(
            "size      \(bytes) bytes in \(counted(index.shards.count, "shard")), \(bytes / max(index.total, 1)) a sample"
        )
        printLine("pixels    mean \(numbers(index.mean)), deviation \(numbers(index.std))")
        if let recipe = index.recipe {
            let part = recipe.source.within.map { ", \($0)" } ?? ""
            let order = recipe.shuffle.map { "mixed by \($0)" } ?? "in its order"
            printLine(
                "source    \(recipe.source.kind.rawValue)\(part): \(counted(recipe.source.images, "image")), \(order), "
                    + "\(recipe.source.images - index.total) left out")
        }
        try printHistogram(&directory)
        if let sheet {
            let (image, samples) = try directory.contactSheet(count: samples, bands: view.chosen())
            try DurableFile.write(PNGEncoder.encode(image), to: sheet)
            printLine(
                "\(sheet): \(counted(samples.count, "sample")), one in \(index.total / samples.count), row by row")
        }
    }

    private func numbers(_ values: [Double]) -> String {
        values.map { String(format: "%.4f", $0) }.joined(separator: " ")
    }

    private func printHistogram(_ directory: inout ShardDirectory) throws {
        let classes = directory.index.classes.map { $0.printable(limit: 80) }
        var counts = [Int](repeating: 0, count: classes.count)
        var without = 0
        for sample in 0..<directory.count {
            let label = try directory.label(sample: sample)
            if label >= 0 { counts[label] += 1 } else { without += 1 }
        }
        let most = max(1, counts.max() ?? 1)
        let width = min(32, classes.map(\.count).max() ?? 0)
        for (name, count) in zip(classes, counts) {
            let padded = name.padding(toLength: max(width, name.count), withPad: " ", startingAt: 0)
            printLine("\(padded)  \(count)  \(String(repeating: "#", count: (40 * count + most - 1) / most))")
        }
        if without > 0 { printLine("without a class: \(without)") }
    }
}
