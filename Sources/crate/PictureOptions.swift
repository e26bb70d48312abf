import Analysis
import ArgumentParser
import Base
import Checkpoints
import Collectives
import Images
import Settings

/// Pictures and the numbers behind them.
struct DrawnPictures {
    /// One per image.
    let sheets: [Image]
    /// Name, extents and values.
    let values: (name: String, shape: [Int], elements: [Float])
}

/// Input images, and where pictures go.
struct PictureOptions: ParsableArguments {
    @Argument(help: "Image files (JPEG, PNG, WebP, GIF, TIFF, BMP, PNM).")
    var images: [String]
    @Option(help: ArgumentHelp("A run, one of its checkpoints, or an export.", valueName: "path"))
    var checkpoint: String
    @OptionGroup var kind: WeightsOption
    @Option(help: ArgumentHelp("New or empty directory for the pictures.", valueName: "dir"))
    var output: String
    @Option(help: ArgumentHelp("Encoder block, counted from 1 (default: the last).", valueName: "n"))
    var layer: Int?
    @Option(
        help: ArgumentHelp(
            "Side of the input, for finer maps; positions are interpolated (default: as trained).", valueName: "pixels")
    )
    var imageSize: Int?
    @Option(
        help: ArgumentHelp(
            "From one patch to the next, for finer maps: patches overlap (default: side by side).", valueName: "pixels")
    )
    var stride: Int?
    @OptionGroup var view: ViewOptions
    @Flag(help: "Also write the numbers that the pictures show, as values.safetensors.")
    var values = false

    /// Writes the pictures that `body` makes, one PNG per image, and prints their paths. Rank 0 works, the others wait. Collective.
    func draw(
        _ speed: SpeedOptions, _ world: World, _ body: (borrowing LoadedModel, [Picture], Int) throws -> DrawnPictures
    ) throws {
        var loaded = try speed.load(checkpoint, kind, images: 4, imageSize: imageSize, stride: stride, world)
        let normalisation = loaded.stored.normalisation
        loaded.view = try world.agree { try view.view(of: normalisation) }
        try world.agree {
            guard world.rank == 0 else { return }
            let pictures = try images.enumerated().map {
                try Picture(file: $1, as: loaded.pixelFormat, side: loaded.tiling.imageSize, key: $0)
            }
            let block = layer ?? loaded.model.configuration.depth
            let drawn = try body(loaded, pictures, block)
            // Only now, so that an invalid image or layer leaves nothing behind.
            let directory = try OutputDirectory(output)
            defer { directory.remove() }
            for (index, (picture, sheet)) in zip(pictures, drawn.sheets).enumerated() {
                let path = directory.file("\(index + 1)-\(picture.name).png")
                try DurableFile.write(try PNGEncoder.encode(sheet), to: path)
                printLine(path)
            }
            guard values else { return }
            let path = directory.file("values.safetensors")
            let tensor = NamedTensor(drawn.values.name, drawn.values.shape)
            let metadata = ["checkpoint": loaded.file, "layer": "\(block)"]
            try drawn.values.elements.withUnsafeBufferPointer { elements in
                _ = try writeSafetensors([tensor], metadata: metadata, to: path) { _ in elements.baseAddress! }
            }
            printLine(path)
        }
    }
}

/// Which channels pictures show.
struct ViewOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "Channels to show as red, green and blue, or one as grey, counted from 1 (default: the first three).",
            valueName: "n,n,n"))
    var bands: String?

    /// Nil for the usual ones. Throws `Failure` if they are not numbers.
    func chosen() throws -> [Int]? {
        try bands?.split(separator: ",", omittingEmptySubsequences: false).map { word in
            guard let band = Int(word) else {
                throw Failure(
                    "--bands \(bands ?? "") is not a list of numbers", hint: "give one or three, such as 4,3,2")
            }
            return band
        }
    }

    func view(of normalisation: Normalisation) throws -> BandView { try BandView(bands: chosen(), of: normalisation) }
}
