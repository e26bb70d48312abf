import ArgumentParser
import Base
import Foundation
import Images
import Kernels

struct SynthesizeCommand: SingleProcessCommand {
    static let configuration = CommandConfiguration(
        commandName: "synthesize",
        abstract: "Draw a labelled folder of images for experiments.",
        discussion: """
            Each class has its kind of shape, colours and texture. The same seed gives the same files: \
            OUT/class-00/00000.jpg and so on. --masks writes the shapes of each image as white on black, \
            MASKS/class-00/00000.png and so on.

            crate synthesize drawings
            crate synthesize drawings --images 4000 --classes 16 --seed 1
            """)

    @Argument(help: "The directory to write; new or empty.")
    var out: String

    @Option(help: "Total number of images.")
    var images = 1000

    @Option(help: "Number of classes.")
    var classes = 10

    @Option(help: "Seed of all random numbers.")
    var seed: UInt64 = 0

    @Option(help: "The side of an image in pixels.")
    var imageSize = 96

    @Option(help: ArgumentHelp("New or empty directory for masks of the shapes.", valueName: "dir"))
    var masks: String?

    func validate() throws {
        guard images > 0, classes > 0, classes <= images else {
            throw ValidationError("--classes must be positive and at most --images.")
        }
        guard (8...PatchLimits.imageSize).contains(imageSize) else {
            throw ValidationError("--image-size must be in 8...\(PatchLimits.imageSize).")
        }
    }

    func run() throws {
        let output = try OutputDirectory(out)
        defer { output.remove() }
        let maskOutput = try masks.map { try OutputDirectory($0, outside: out) }
        let names = (0..<classes).map { "class-" + zeroPadded($0, to: max(2, String(classes - 1).count)) }
        for path in [output, maskOutput].compactMap({ $0 }).flatMap({ names.map($0.file) }) {
            guard mkdir(path, 0o777) == 0 else { throw systemFailure("cannot create \(path)") }
        }
        var line = ProgressLine(unit: "images")
        try line.during { line in
            for number in 0..<images {
                let label = number % classes
                let scene = try Drawing.scene(number: number, label: label, side: imageSize, seed: seed)
                let name = names[label] + "/" + zeroPadded(number / classes, to: 5)
                try write(JPEGEncoder.encode(scene.image), to: output.file(name + ".jpg"))
                if let maskOutput { try write(PNGEncoder.encode(scene.shapes), to: maskOutput.file(name + ".png")) }
                line.report(number + 1, of: images)
            }
        }
        printLine(
            "\(counted(images, "image")) of \(counted(classes, "class")) in \(out), \(decimal(line.seconds)) s, "
                + "\(Int(Double(images) / max(line.seconds, 1e-9))) images/s")
    }

    /// Not synced: files lost in a power cut are drawn again.
    private func write(_ bytes: [UInt8], to path: String) throws {
        guard let file = fopen(path, "wb") else { throw systemFailure("cannot create \(path)") }
        let written = fwrite(bytes, 1, bytes.count, file)
        guard fclose(file) == 0, written == bytes.count else { throw systemFailure("cannot write \(path)") }
    }
}
