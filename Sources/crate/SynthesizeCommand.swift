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
            The same seed gives the same images. --kind chooses:

            shapes   shaded shapes; each class has its kind of shape, colours and texture. JPEG: OUT/class-00/00000.jpg
            defects  metal, fabric and circuit boards, of which a fifth have a small defect, in the folders of an inspection \
            data set. PNG: OUT/train/good/metal-00000.png, OUT/test/good/..., OUT/test/scratch/...
            cells    four kinds of cells under a microscope, grey, 12 bits in 16. PNG: OUT/round/00000.png
            fields   five land uses from above, in red, green, blue and near infrared of 16 bits. TIFF: OUT/crops/00000.tif

            --masks writes what is to be found in an image, white on black: the shapes, the defect (there is no file for a \
            sound surface), the cells, the land of the class; MASKS/scratch/metal-00004.png, MASKS/round/00000.png and so on.

            crate synthesize drawings
            crate synthesize drawings --images 4000 --classes 16 --seed 1
            crate synthesize surfaces --kind defects --masks masks
            """)

    @Argument(help: "The directory to write; new or empty.")
    var out: String

    @Option(help: ArgumentHelp("What to draw.", valueName: "shapes|defects|cells|fields"))
    var kind = DrawingKind.shapes

    @Option(help: "Total number of images.")
    var images = 1000

    @Option(help: ArgumentHelp("Number of classes (default: 10 of shapes, all of the others).", valueName: "n"))
    var classes: Int?

    @Option(help: "Seed of all random numbers.")
    var seed: UInt64 = 0

    @Option(help: "The side of an image in pixels.")
    var imageSize = 96

    @Option(help: ArgumentHelp("New or empty directory for masks.", valueName: "dir"))
    var masks: String?

    func validate() throws {
        guard images > 0, classes ?? 1 > 0, classes ?? 1 <= images else {
            throw ValidationError("--classes must be positive and at most --images.")
        }
        guard (8...PatchLimits.imageSize).contains(imageSize) else {
            throw ValidationError("--image-size must be in 8...\(PatchLimits.imageSize).")
        }
    }

    func run() throws {
        let collection = try DrawnCollection(kind, images: images, classes: classes, side: imageSize, seed: seed)
        let output = try OutputDirectory(out)
        defer { output.remove() }
        let maskOutput = try masks.map { try OutputDirectory($0, outside: out) }
        var line = ProgressLine(unit: "images")
        try line.during { line in
            for number in 0..<images {
                let scene = try collection.scene(number)
                let place = collection.place(of: number)
                let bytes = try kind.encode(scene.image)
                try write(bytes, to: output.file("\(place.image).\(kind.fileExtension)"))
                if let maskOutput, let mask = scene.mask {
                    try write(PNGEncoder.encode(mask), to: maskOutput.file(place.mask + ".png"))
                }
                line.report(number + 1, of: images)
            }
        }
        printLine(
            "\(counted(images, "image")) of \(counted(collection.classes, "class")) in \(out), \(decimal(line.seconds)) s, "
                + "\(Int(Double(images) / max(line.seconds, 1e-9))) images/s")
    }

    /// Not synced: files lost in a power cut are drawn again.
    private func write(_ bytes: [UInt8], to path: String) throws {
        try createDirectory(path.parentPath)
        guard let file = fopen(path, "wb") else { throw systemFailure("cannot create \(path)") }
        let written = fwrite(bytes, 1, bytes.count, file)
        guard fclose(file) == 0, written == bytes.count else { throw systemFailure("cannot write \(path)") }
    }

    private func createDirectory(_ path: String) throws {
        if mkdir(path, 0o777) == 0 || errno == EEXIST { return }
        guard errno == ENOENT else { throw systemFailure("cannot create \(path)") }
        try createDirectory(path.parentPath)
        guard mkdir(path, 0o777) == 0 else { throw systemFailure("cannot create \(path)") }
    }
}

extension DrawingKind: ExpressibleByArgument {}
