import ArgumentParser
import Images
import Shards

/// The part of a source.
struct SourceOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            """
            The part of the source to take: a directory in it, whose directories are the classes, or the beginning of the \
            names of its batches, arrays or tables.
            """,
            valueName: "prefix"))
    var within: String?

    @OptionGroup var labels: LabelOptions

    @Option(
        help: ArgumentHelp(
            """
            The classes in the order of their labels: a file of one name a line, or the index.json of other shards \
            (default: those of the source, by name unless it has an order).
            """, valueName: "file"))
    var classes: String?

    func selection() throws -> ShardSource.Selection {
        labels.selection(within: within, classes: try classes.map { try ClassNames.read($0) })
    }
}

/// What images are decoded to.
struct PixelOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "Channels of an image: 1 (grey), 3 (RGB), or as many as the files have, up to 256; others are left out.",
            valueName: "number"))
    var channels = PixelFormat.rgb.channels

    @Option(help: "Bits of a value: 8 or 16.")
    var depth = PixelFormat.rgb.depth

    /// Throws `Failure` for other numbers.
    func format() throws -> PixelFormat { try PixelFormat(channels: channels, depth: depth) }
}

/// Where the labels are, if not in the names of directories.
struct LabelOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            """
            The labels of an archive without directories: on each line a label, in the order of the files' names, or a \
            file's name and its label. Those of an array: another array, or a label a line.
            """, valueName: "file"))
    var labels: String?

    @Option(
        help: ArgumentHelp(
            "Where labels are numbers: on each line the name of a class, number 1 first (0 if a label is 0).",
            valueName: "file"))
    var labelNames: String?

    @Option(
        help: ArgumentHelp(
            "The column, field or array with the labels (default: label, cls, class, or what is usual in the format).",
            valueName: "name"))
    var labelField: String?

    func selection(within: String?, classes: [String]?) -> ShardSource.Selection {
        ShardSource.Selection(
            within: within, labels: labels, labelNames: labelNames, labelField: labelField, classes: classes)
    }
}
