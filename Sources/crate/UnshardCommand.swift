import ArgumentParser
import Base
import Shards
import Training

extension ShardExport.Form: ExpressibleByArgument {}

struct UnshardCommand: SingleProcessCommand {
    static let configuration = CommandConfiguration(
        commandName: "unshard",
        abstract: "Write the samples of shards as image files again: a folder, or archives for WebDataset.",
        discussion: """
            Patches become lossless images: PNG of grey or RGB, TIFF of other channels. JPEG files are written unchanged. A \
            folder has a directory for each class. An archive has for each sample NUMBER.png (or .jpg, .tif), its label in \
            NUMBER.cls, and its label, class and key in NUMBER.json. Sharded again, the samples have the same pixels and \
            classes.

            crate unshard shards/train images/train
            crate unshard shards/train wds/train --as webdataset --tar-size 256
            """)

    @Argument(help: "The directory of shards.")
    var shards: String
    @Argument(help: "The output directory, new or empty.")
    var out: String

    @Option(name: .customLong("as"), help: "How the images are written.")
    var form = ShardExport.Form.folder

    @Option(help: ArgumentHelp("The most MiB of an archive, if it has more than one sample.", valueName: "mib"))
    var tarSize = 1024

    @Option(help: "The threads that encode (default: the processors that the program may use).")
    var jobs: Int?

    func validate() throws {
        guard (1...1 << 20).contains(tarSize) else { throw ValidationError("--tar-size must be in 1...1048576.") }
        guard (1...1024).contains(jobs ?? 1) else { throw ValidationError("--jobs must be in 1...1024.") }
    }

    func run() throws {
        let size = tarSize << 20
        let export =
            try jobs.map { try ShardExport(path: shards, form: form, tarBytes: size, jobs: $0) }
            ?? ShardExport(path: shards, form: form, tarBytes: size)
        var line = ProgressLine(unit: "samples")
        let summary = try line.during { line in
            try export.write(to: out) { line.report($0, of: export.sampleCount) }
        }
        let files = form == .folder ? "" : " in \(counted(summary.files, "archive"))"
        printLine("\(counted(summary.samples, "sample"))\(files) written to \(out)")
    }
}
