import ArgumentParser
import Base
import Shards
import Training

struct MergeCommand: SingleProcessCommand {
    static let configuration = CommandConfiguration(
        commandName: "merge",
        abstract: "Put several directories of shards together.",
        usage: "crate merge <shards> ... <out> [<options>]",
        discussion: """
            Copies the samples of all SHARDS as they are. Classes of the same name become one; labels are numbered anew: \
            the classes of the first directory in its order, then those that only the second has, and so on. All must have \
            the same encoding, image size and patch size. Samples with the same key are kept and counted.

            crate merge shards/a shards/b shards/all
            """)

    @Argument(
        help: ArgumentHelp(
            "Two directories of shards or more, and last the output directory, new or empty.",
            valueName: "shards ... out"))
    var paths: [String]

    func validate() throws {
        guard paths.count > 2 else {
            throw ValidationError("Give two directories of shards or more, and last the output directory.")
        }
    }

    func run() throws {
        let (inputs, out) = (Array(paths.dropLast()), paths[paths.count - 1])
        let merge = try ShardMerge(inputs)
        if let (one, other) = merge.unicodeTwins.example {
            printError(
                "warning: \(counted(merge.unicodeTwins.count, "class")) differ from another only in their Unicode form and "
                    + "are kept apart, such as \(one.ascii.printable) and \(other.ascii.printable)")
        }
        var line = ProgressLine(unit: "samples")
        let (index, repeats) = try line.during { line in
            try merge.write(to: out) { line.report($0, of: merge.sampleCount) }
        }
        printLine(
            "\(counted(index.total, "sample")) \(ofClasses(index.classes.count)) in \(counted(index.shards.count, "shard")), "
                + "\(index.shards.reduce(0) { $0 + $1.bytes }) bytes")
        if let example = repeats.example {
            printLine(
                "\(counted(repeats.count, "sample")) with a key that an earlier one has, \(repeats.equalCount) of them "
                    + "with the same bytes, such as \(example.printable)")
        }
    }
}
