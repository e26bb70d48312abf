import Analysis
import ArgumentParser
import Collectives
import Files
import Images

/// Images that a model is shown, and where pictures of what it makes of them go.
struct PictureOptions: ParsableArguments {
    @Argument(help: "JPEG or PNG files.")
    var images: [String]
    @Option(help: ArgumentHelp("A run, one of its checkpoints, or an export.", valueName: "path"))
    var checkpoint: String
    @Option(help: ArgumentHelp("New or empty directory for the pictures.", valueName: "dir"))
    var output: String
    @Option(help: ArgumentHelp("Encoder block, counted from 1 (default: the last).", valueName: "n"))
    var layer: Int?
    @Option(
        help: ArgumentHelp(
            "Side of the input, for finer maps; positions are made for it (default: as trained).", valueName: "pixels"))
    var imageSize: Int?

    /// Writes what `body` makes of the images in the layer, a PNG for each, and prints their paths. Rank 0 works, the others wait.
    /// Collective.
    func draw(
        _ speed: SpeedOptions, _ world: World, _ body: (borrowing LoadedModel, [Picture], Int) throws -> [Image]
    ) throws {
        let loaded = try LoadedModel(
            checkpoint, images: 4, imageSize: imageSize, precision: speed.announcedPrecision(world),
            threads: speed.threads, world: world)
        try world.agree {
            guard world.rank == 0 else { return }
            for warning in loaded.warnings { printError("warning: \(warning)") }
            let configuration = loaded.model.configuration
            let pictures = try images.enumerated().map {
                try Picture(file: $1, side: configuration.imageSize, key: $0)
            }
            let sheets = try body(loaded, pictures, layer ?? configuration.depth)
            // Only now, so that an image that is none, or a layer that is not there, leaves nothing behind.
            let directory = try OutputDirectory(output)
            defer { directory.remove() }
            for (index, (picture, sheet)) in zip(pictures, sheets).enumerated() {
                let path = directory.file("\(index + 1)-\(picture.name).png")
                try DurableFile.write(try PNGEncoder.encode(sheet), to: path)
                print(path)
            }
        }
    }
}
