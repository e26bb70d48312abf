import Analysis
import ArgumentParser
import Base
import Foundation
import Images
import Settings
import Shards
import Training

struct ReconstructCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "reconstruct",
        abstract: "Draw a model's reconstructions of partly masked images.",
        discussion: """
            Writes a PNG for each image: original, masked, and the hidden patches as the model predicts them; and prints the loss as \
            in training and the mean squared error of pixels from 0 to 1, both over the hidden patches.

            With --error-map, the model is asked about every patch of each image several times, with others hidden around it. Where \
            its predictions fail, there may be a defect: a map of the squared error, smoothed and relative to the image's mean, is \
            written as a picture and as an array of NumPy, and its highest hundredth is the image's score. With --reference, \
            the values are compared with those at the same place in the 16 most similar sound images. With --masks, the area \
            under the ROC curve of images and of pixels is printed.

            crate reconstruct --checkpoint runs/tiny --output pictures cat.jpg dog.png
            crate reconstruct --checkpoint runs/tiny --output pictures \\
                --data shards/val --samples 16
            crate reconstruct --error-map --checkpoint runs/surfaces --output maps \\
                --reference shards/train --masks masks surfaces/test/*/*.png
            """)

    @Argument(help: "Image files (JPEG, PNG, WebP, GIF, TIFF, BMP, PNM).")
    var images: [String] = []
    @Option(help: ArgumentHelp("A run, one of its checkpoints, or an export.", valueName: "path"))
    var checkpoint: String
    @OptionGroup var kind: WeightsOption
    @Option(help: ArgumentHelp("New or empty directory for the pictures.", valueName: "dir"))
    var output: String
    @Option(help: ArgumentHelp("Shard directory, instead of files.", valueName: "dir"))
    var data: String?
    @Option(help: ArgumentHelp("Number of samples of the shards, evenly spaced.", valueName: "n"))
    var samples = 8
    @Option(help: ArgumentHelp("Fraction of patches to mask (default: as in training).", valueName: "x"))
    var maskRatio: Double?
    @Option(help: ArgumentHelp("Seed of the masks; 0 gives those of evaluate.", valueName: "n"))
    var seed: UInt64 = 0
    @OptionGroup var view: ViewOptions
    @OptionGroup(title: "Error maps") var anomalies: ErrorMapOptions
    @OptionGroup(title: "Speed") var speed: SpeedOptions

    func validate() throws {
        guard images.isEmpty != (data == nil) else { throw ValidationError("Give image files or --data, one of both.") }
        try requireCount("--samples", samples, upTo: 1_000_000)
        try anomalies.check()
    }

    func run() throws {
        try runWithWorld { world in
            // Pictures at a time: bounds the memory of decoded images.
            let chunk = 4
            var loaded = try speed.load(checkpoint, kind, images: anomalies.errorMap ? nil : chunk, world)
            let normalisation = loaded.stored.normalisation
            loaded.view = try world.agree { try view.view(of: normalisation) }
            try world.agree {
                guard world.rank == 0 else { return }
                let pictures = try PictureSource(images: images, data: data, samples: samples)
                if anomalies.errorMap {
                    try anomalies.write(pictures, of: loaded, maskRatio: maskRatio, seed: seed, to: output)
                } else {
                    try write(pictures, of: loaded, chunk: chunk)
                }
            }
        }
    }

    private func write(_ source: PictureSource, of loaded: borrowing LoadedModel, chunk: Int) throws {
        let directory = try OutputDirectory(output)
        defer { directory.remove() }
        let side = loaded.model.configuration.imageSize
        var source = source
        let count = source.count
        let digits = "\(count)".count
        var (losses, errors) = (0.0, 0.0)
        for first in stride(from: 0, to: count, by: chunk) {
            let pictures = try (first..<min(count, first + chunk)).map {
                try source.picture($0, as: loaded.pixelFormat, side: side).picture
            }
            let results = try loaded.reconstruct(pictures, maskRatio: maskRatio, seed: seed)
            for (index, (picture, result)) in zip(pictures, results).enumerated() {
                let prefix = zeroPadded(first + index + 1, to: digits)
                let path = directory.file("\(prefix)-\(picture.name).png")
                try DurableFile.write(try PNGEncoder.encode(result.sideBySide()), to: path)
                printLine("\(path): loss \(text(result.loss)), mean squared error \(text(result.meanSquaredError))")
                losses += result.loss
                errors += result.meanSquaredError
            }
        }
        printLine(
            "mean of \(count): loss \(text(losses / Double(count))), mean squared error \(text(errors / Double(count)))"
        )
    }

    private func text(_ value: Double) -> String { String(format: "%.6f", value) }
}
