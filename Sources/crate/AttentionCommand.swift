import Analysis
import ArgumentParser
import Files
import Foundation
import Images

struct AttentionCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "attention",
        abstract: "Draw what the class token attends to, head by head.",
        discussion: """
            Writes a PNG for each image: the image, then its map for each head and their mean, each on its own scale; below, what \
            is left of the image by the mask that keeps most of the attention.

            crate attention --checkpoint runs/tiny --output maps cat.jpg dog.png
            crate attention --checkpoint runs/tiny --output maps --layer 3 --heads 1,4 --image-size 448 cat.jpg
            """)

    @Argument(help: "JPEG or PNG files.")
    var images: [String]
    @Option(help: ArgumentHelp("A run, one of its checkpoints, or an export.", valueName: "path"))
    var checkpoint: String
    @Option(help: ArgumentHelp("New or empty directory for the pictures.", valueName: "dir"))
    var output: String
    @Option(help: ArgumentHelp("Encoder block, counted from 1 (default: the last).", valueName: "n"))
    var layer: Int?
    @Option(help: ArgumentHelp("Heads, counted from 1, with commas between them (default: all).", valueName: "list"))
    var heads: String?
    @Option(help: ArgumentHelp("Part of the attention that the mask keeps.", valueName: "x"))
    var mass = 0.6
    @Option(
        help: ArgumentHelp(
            "Side of the input, for finer maps; positions are made for it (default: as trained).", valueName: "pixels"))
    var imageSize: Int?
    @OptionGroup(title: "Speed") var speed: SpeedOptions

    func validate() throws {
        guard mass > 0, mass <= 1 else { throw ValidationError("--mass takes a number above 0 and up to 1.") }
        _ = try chosenHeads()
    }

    private func chosenHeads() throws -> [Int]? {
        try heads?.split(separator: ",").map {
            guard let head = Int($0) else { throw ValidationError("--heads takes whole numbers with commas.") }
            return head
        }
    }

    func run() throws {
        try runWithWorld { world in
            // Pictures at a time: what is decoded has no bound but this.
            let chunk = 4
            let loaded = try LoadedModel(
                checkpoint, images: chunk, imageSize: imageSize, precision: speed.announcedPrecision(world),
                threads: speed.threads, world: world)
            guard world.rank == 0 else { return try world.agree {} }
            for warning in loaded.warnings { printError("warning: \(warning)") }
            try world.agree { try write(loaded, chunk: chunk) }
        }
    }

    private func write(_ loaded: borrowing LoadedModel, chunk: Int) throws {
        // All images first, so that one that is none leaves no half of the pictures behind.
        let side = loaded.model.configuration.imageSize
        for image in images { _ = try Picture(file: image, side: side, key: 0) }
        let directory = try OutputDirectory(output)
        defer { directory.remove() }
        let configuration = loaded.model.configuration
        for first in stride(from: 0, to: images.count, by: chunk) {
            let pictures = try (first..<min(images.count, first + chunk)).map {
                try Picture(file: images[$0], side: configuration.imageSize, key: $0)
            }
            let maps = try loaded.attentionMaps(of: pictures, block: layer ?? configuration.depth)
            for (index, (picture, map)) in zip(pictures, maps).enumerated() {
                let path = directory.file("\(first + index + 1)-\(picture.name).png")
                let sheet = try map.sheet(heads: try chosenHeads(), mass: mass)
                try DurableFile.write(try PNGEncoder.encode(sheet), to: path)
                print(path)
            }
        }
    }
}
