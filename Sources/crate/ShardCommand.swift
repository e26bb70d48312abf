import ArgumentParser
import Files
import Foundation
import Images
import Shards

/// `crate shard`: a folder of images becomes a directory of HDF5 shards.
struct ShardCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "shard",
        abstract: "Turn a folder of images into HDF5 shards.",
        discussion: """
            SOURCE holds one directory for each class with its JPEG or PNG files. Each image is resized (bicubic, \
            shorter side), cut to its central square and stored as patches. Files that cannot be read are left out \
            and listed in OUT/skipped.txt.
            """)

    @Argument(help: "The folder: SOURCE/<class>/<file>.")
    var source: String

    @Argument(help: "The directory to write; new or empty.")
    var out: String

    @Option(help: "The side of the stored images in pixels.")
    var imageSize = 256

    @Option(help: "The side of a patch in pixels; divides the image size.")
    var patchSize = 16

    @Option(help: "The images in a shard file.")
    var shardSize = 1024

    @Flag(help: "Fail, and keep no shards, if any file cannot be read.")
    var strict = false

    func validate() throws {
        guard imageSize > 0, patchSize > 0, shardSize > 0 else {
            throw ValidationError("--image-size, --patch-size and --shard-size must be positive.")
        }
        do {
            _ = try PatchGrid(imageSize: imageSize, patchSize: patchSize)
        } catch {
            throw ValidationError("\(error)")
        }
    }

    func run() throws {
        let grid = try PatchGrid(imageSize: imageSize, patchSize: patchSize)
        var line = ProgressLine(unit: "files")
        let summary = try line.during { line in
            try Sharding.run(
                source: ShardSource(source), output: out,
                options: ShardingOptions(.patches(grid), shardSize: shardSize, isStrict: strict)
            ) { line.report($0.done, of: $0.total) }
        }
        let seconds = max(line.seconds, 1e-9)
        print(
            "\(summary.images) images of \(summary.classes) classes in \(summary.shards) shards, "
                + "\(summary.bytes) bytes, \(summary.skipped) skipped, \(decimal(seconds)) s, "
                + "\(Int(Double(summary.images + summary.skipped) / seconds)) images/s")
        if summary.skipped > 0 {
            print("The skipped files and why: \(out)/\(Sharding.skippedFileName)")
        }
    }
}
