import ArgumentParser
import Shards

/// The part of a source.
struct SourceOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "The part of the source to take: a directory in it, or the beginning of the names of CIFAR-10's batches.",
            valueName: "prefix"))
    var within: String?

    @OptionGroup var labels: LabelOptions

    @Option(
        help: ArgumentHelp(
            """
            The classes in the order of their labels: a file of one name a line, or the index.json of other shards \
            (default: the source's own, by name).
            """, valueName: "file"))
    var classes: String?

    func selection() throws -> ShardSource.Selection {
        labels.selection(within: within, classes: try classes.map { try ClassNames.read($0) })
    }
}

/// Labels of images without class directories.
struct LabelOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            """
            The labels of an archive without directories: on each line a label, in the order of the files' names, or a \
            file's name and its label.
            """, valueName: "file"))
    var labels: String?

    @Option(
        help: ArgumentHelp(
            "Where labels are numbers: on each line the name of a class, number 1 first (0 if a label is 0).",
            valueName: "file"))
    var labelNames: String?

    func selection(within: String?, classes: [String]?) -> ShardSource.Selection {
        ShardSource.Selection(within: within, labels: labels, labelNames: labelNames, classes: classes)
    }
}
