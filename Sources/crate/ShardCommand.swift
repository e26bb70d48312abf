import ArgumentParser
import Base
import Foundation
import Images
import Kernels
import Shards
import Training

extension ShardIndex.Encoding: ExpressibleByArgument {}

struct ShardCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "shard",
        abstract: "Turn images into HDF5 shards, alone or under mpirun.",
        usage: "crate shard <source> ... <out> [<options>]",
        discussion: """
            SOURCE is a directory of images (JPEG, PNG, WebP, GIF, TIFF, BMP, PNM, whatever their names are), with a \
            directory for each class or without classes; a tar or zip archive of one; ILSVRC2012, CIFAR-10, CIFAR-100 or \
            MNIST as they are published; WebDataset's archives, of which there may be several, also as \
            train-{0000..0123}.tar; Hugging Face's Parquet files; or NumPy's arrays. Of several images in a file the first \
            is taken. Images become RGB of 8 bits, or grey (--channels 1), or keep as many channels as --channels says, of \
            8 or 16 bits (--depth). Each is \
            resized (bicubic, shorter side), cut to its central square and stored as patches, or as a JPEG file; or files \
            are kept (--keep-original). Files \
            that cannot be read are left out and listed in OUT/skipped.txt. Stopped and started again with the same \
            options, it keeps the shards that are done. The shards do not depend on jobs and ranks.

            crate shard imagenet/train shards/train
            mpirun -n 4 crate shard ILSVRC2012_img_train.tar shards/train \\
                --encoding jpeg --shuffle 1
            crate shard ILSVRC2012_img_val.tar shards/val --labels val.txt \\
                --classes shards/train/index.json
            crate shard 'wds/train-{0000..0123}.tar' shards/train --label-names names.txt
            crate shard cifar10/plain_text shards/cifar10 --within train --image-size 32 \\
                --patch-size 4
            crate shard fields shards/fields --channels 4 --depth 16 --image-size 64 \\
                --patch-size 8
            crate shard pictures shards/pictures --keep-original
            crate shard imagenet/train --dry-run
            """)

    @Argument(
        help: ArgumentHelp(
            """
            A directory, an archive or several, and last the output directory: new, empty, or left by the same command \
            when it was interrupted.
            """, valueName: "source ... out"))
    var paths: [String]

    var sources: [String] { hasOutput ? Array(paths.dropLast()) : paths }
    private var out: String { paths.last ?? "" }

    /// A dry run writes nothing, so OUT may be left out: a file that is there, or names in braces, are a source.
    private var hasOutput: Bool {
        guard dryRun else { return true }
        var status = stat()
        let isFile = stat(out, &status) == 0 && status.st_mode & S_IFMT == S_IFREG
        return paths.count > 1 && !isFile && !out.contains("{")
    }

    @OptionGroup(title: "Source") var selection: SourceOptions

    @OptionGroup(title: "Pixels") var pixels: PixelOptions

    @Option(
        help: "How samples are stored: patches (raw, quick to read) or jpeg (a tenth of the size) (default: patches).")
    var encoding: ShardIndex.Encoding?

    @Option(help: "Side of the stored images in pixels.")
    var imageSize = 256

    @Option(help: "Side of a patch in pixels; must divide the image size.")
    var patchSize = 16

    @Option(help: "Quality of encoded JPEG files, 1...100.")
    var quality = 90

    @Flag(help: "Store the image files themselves, of any format and size; training decodes them.")
    var keepOriginal = false

    @Option(help: "Source images per shard file.")
    var shardSize = 1024

    @Option(help: ArgumentHelp("Shuffle the images over the shards with this seed.", valueName: "seed"))
    var shuffle: UInt64?

    @Option(help: ArgumentHelp("The most pixels of an image; larger ones are left out.", valueName: "number"))
    var maxPixels = ImageDecoder.pixelLimit

    @Option(help: "Threads per rank that read and decode (default: the processors available to it).")
    var jobs: Int?

    @Flag(help: "Fail, and keep no shards, if any file cannot be read.")
    var strict = false

    @Flag(help: "Write nothing; say what is in the source, what would be left out, and what the shards would take.")
    var dryRun = false

    @Flag(help: "With --dry-run: print that as JSON.")
    var json = false

    func validate() throws {
        guard paths.count > (dryRun ? 0 : 1) else {
            throw ValidationError("Give a source, and last the output directory.")
        }
        guard dryRun || !json else { throw ValidationError("--json goes with --dry-run.") }
        guard imageSize > 0, patchSize > 0, shardSize > 0 else {
            throw ValidationError("--image-size, --patch-size and --shard-size must be positive.")
        }
        guard (1...100).contains(quality) else { throw ValidationError("--quality must be in 1...100.") }
        guard (1...1024).contains(jobs ?? 1) else { throw ValidationError("--jobs must be in 1...1024.") }
        guard (1...Image.maximumPixelCount).contains(maxPixels) else {
            throw ValidationError("--max-pixels must be in 1...\(Image.maximumPixelCount).")
        }
        guard !keepOriginal || encoding != .patches else {
            throw ValidationError("--keep-original stores files and no patches: leave --encoding patches out.")
        }
        do {
            _ = try format()
        } catch {
            throw ValidationError("\(error)")
        }
    }

    func run() throws {
        guard !dryRun else { return try surveySource() }
        try runWithWorld { world in
            try world.requireEqual(["OUT": out])
            var line = ProgressLine(unit: "images", of: world)
            let job = try world.agree { try makeJob() }
            if world.rank == 0 { tell(job.unicodeTwins, respelled: job.respelled, job.passedOver) }
            let isNew = world.broadcast(try world.agree { world.rank == 0 ? try job.begin() : true } ? 1 : 0, from: 0)
            var made: [Double] = try world.agree {
                guard isNew == 1 else { return [0, 0] }
                return try line.during { line in
                    let (images, kept) = try job.makeShards(part: world.rank, of: world.size) { progress in
                        line.report(progress.done, of: progress.total, bytes: progress.bytes)
                    }
                    return [Double(images), Double(kept)]
                }
            }
            world.sum(&made)
            let summary = try world.agree { world.rank == 0 ? try job.conclude() : nil }
            if let summary { report(summary, made: Int(made[0]), kept: Int(made[1]), seconds: line.seconds) }
        }
    }

    /// Tells what is easily mistaken in the source, and what of it is not taken.
    func tell(_ twins: UnicodeTwins, respelled: UnicodeTwins, _ passedOver: PassedOver) {
        warn(
            of: twins, counted(twins.count, "name"),
            "differ from another only in their Unicode form and are kept apart")
        warn(
            of: respelled, counted(respelled.count, "name"),
            "differ from the list's only in their Unicode form and are taken for those")
        if let passedOver = passedOver.description { printLine("Passed over: \(passedOver).") }
    }

    private func warn(of twins: UnicodeTwins, _ count: String, _ what: String) {
        guard let (one, other) = twins.example else { return }
        printError(
            "warning: \(count) of \(sources[0]) \(what), such as \(one.ascii.printable) and \(other.ascii.printable)")
    }

    private func makeJob() throws -> Sharding {
        let images = try ShardSource(sources, selection.selection())
        return try Sharding(source: images, output: out, options: options())
    }

    func options() throws -> ShardingOptions {
        var options = ShardingOptions(try format(), shardSize: shardSize, shuffle: shuffle, isStrict: strict)
        options.pixelLimit = maxPixels
        if let jobs { options.jobs = jobs }
        return options
    }

    private func format() throws -> SampleFormat {
        let pixel = try pixels.format()
        if keepOriginal { return .original(pixel) }
        guard encoding == .jpeg else {
            return .patches(try PatchGrid(imageSize: imageSize, patchSize: patchSize, pixel: pixel))
        }
        guard pixel == .rgb else {
            throw Failure(
                "JPEG files have 3 channels of 8 bits, not \(pixel)",
                hint: "choose --encoding patches or --keep-original, or leave --channels and --depth out")
        }
        return .jpeg(imageSize: imageSize, quality: quality)
    }

    private func report(_ summary: Sharding.Summary, made: Int, kept: Int, seconds: Double) {
        printLine(
            "\(counted(summary.images, "image")) \(ofClasses(summary.classes)) in \(counted(summary.shards, "shard")), "
                + "\(summary.bytes) bytes, \(summary.skipped) skipped, \(decimal(seconds)) s, "
                + "\(Int(Double(made) / max(seconds, 1e-9))) images/s")
        if kept > 0 { printLine("\(kept) shards were there from an earlier run.") }
        if made == 0 && kept == 0 { printLine("All of it was there from an earlier run.") }
        if summary.skipped > 0 {
            printLine("The skipped files and why: \(out)/\(Sharding.skippedFileName)")
        }
    }
}
