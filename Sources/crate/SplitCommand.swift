import ArgumentParser
import Base
import Foundation
import Shards
import Training

struct SplitCommand: SingleProcessCommand {
    static let configuration = CommandConfiguration(
        commandName: "split",
        abstract: "Divide shards into a training and a validation part, class by class.",
        discussion: """
            Copies the samples of SHARDS as they are, --fraction of each class to OUT-VAL and the others to OUT-TRAIN. Which \
            ones is a function of their keys and --seed, not of their order. At least one sample of each class goes to each \
            part; a class of one sample goes to OUT-TRAIN. Samples of one --group stay together, such as all images of a \
            patient; then the fraction is met as nearly as the groups allow.

            crate split shards/all shards/train shards/val --fraction 0.1
            crate split shards/scans shards/train shards/val --fraction 0.2 --seed 7 \\
                --group '/([A-Z0-9]+)_'
            """)

    @Argument(help: "The directory of shards.")
    var shards: String
    @Argument(help: ArgumentHelp("The directory for training, new or empty.", valueName: "out-train"))
    var training: String
    @Argument(help: ArgumentHelp("The directory for validation, new or empty.", valueName: "out-val"))
    var validation: String

    @Option(help: "The part of each class that is for validation, between 0 and 1.")
    var fraction: Double

    @Option(help: "Another seed draws other samples.")
    var seed: UInt64 = 0

    @Option(
        help: ArgumentHelp(
            """
            A regular expression that is searched in each key (class/file): samples whose first capture, or whole match \
            without captures, is the same stay together.
            """, valueName: "regex"))
    var group: String?

    func validate() throws {
        guard fraction > 0, fraction < 1 else { throw ValidationError("--fraction must be between 0 and 1.") }
        do {
            _ = try group.map { try Regex($0) }
        } catch {
            throw ValidationError("--group is not a regular expression: \("\(error)".printable)")
        }
    }

    func run() throws {
        let split = try ShardSplit(
            directory: shards, fraction: fraction, seed: seed, group: try group.map { try Regex($0) })
        var line = ProgressLine(unit: "samples")
        let written = try line.during { line in
            try split.write(training: training, validation: validation) { line.report($0, of: split.sampleCount) }
        }
        let single = split.counts.filter { $0.training + $0.validation == 1 }
        let names = split.counts.map { $0.name?.printable(limit: 80) ?? "without a class" }
        let width = min(32, max(5, names.map(\.count).max() ?? 0))
        printLine(Self.row("class", "train", "val", width))
        for (name, count) in zip(names, split.counts) {
            printLine(Self.row(name, "\(count.training)", "\(count.validation)", width))
        }
        printLine(Self.row("all", "\(written.training.total)", "\(written.validation.total)", width))
        if let first = single.first {
            printLine(
                "\(counted(single.count, "class")) of one sample, which one part lacks, such as "
                    + (first.name?.printable(limit: 80) ?? "that without a class"))
        }
        if !split.hasOwnStatistics { printLine("mean and std of both parts are those of \(shards)") }
    }

    private static func row(_ name: String, _ training: String, _ validation: String, _ width: Int) -> String {
        func right(_ text: String) -> String { String(repeating: " ", count: max(0, 9 - text.count)) + text }
        return name.padding(toLength: max(width, name.count), withPad: " ", startingAt: 0) + right(training)
            + right(validation)
    }
}
