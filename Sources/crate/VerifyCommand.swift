import ArgumentParser
import Base
import Shards
import Training

struct VerifyCommand: SingleProcessCommand {
    static let configuration = CommandConfiguration(
        commandName: "verify",
        abstract: "Check shards, and make damaged ones again.",
        discussion: """
            Reads all of DIR: the index, each shard's size, checksum and structure, its labels and keys, and each sample's \
            checksum. Prints a line for everything that is wrong, and then ends with exit code 1.

            crate verify shards/train
            crate verify shards/train --repair --source imagenet/train
            """)

    @Argument(help: "The directory of shards.")
    var dir: String

    @Flag(help: "Make damaged and missing shards again from the source, byte for byte what they were.")
    var repair = false

    @Option(
        name: .customLong("source"), parsing: .upToNextOption,
        help: ArgumentHelp(
            "What the shards were made from, with the same --labels, --label-names and --label-field.",
            valueName: "source"))
    var sources: [String] = []

    @OptionGroup(title: "Source") var labels: LabelOptions

    @Option(help: "The threads (default: the processors that the program may use).")
    var jobs: Int?

    func validate() throws {
        guard (1...1024).contains(jobs ?? 1) else { throw ValidationError("--jobs must be in 1...1024.") }
        guard repair == !sources.isEmpty else { throw ValidationError("--repair and --source go together.") }
    }

    func run() throws {
        let verifier = try jobs.map { try ShardVerifier(path: dir, jobs: $0) } ?? ShardVerifier(path: dir)
        var problems = self.problems(verifier)
        for problem in problems { printLine("\(problem)") }
        if repair, problems.contains(where: { $0.shard != nil }) {
            let index = verifier.index
            let images = try ShardSource(
                sources, labels.selection(within: index.recipe?.source.within, classes: index.classes))
            var line = ProgressLine(unit: "images")
            let repaired = try line.during { line in
                try verifier.repair(problems, from: images) {
                    line.report($0.done, of: $0.total, bytes: $0.bytes)
                }
            }
            for file in repaired { printLine("made again: \(dir)/\(file)") }
            problems = self.problems(verifier)
        }
        guard problems.isEmpty else {
            throw Failure(
                "\(dir) has \(counted(problems.count, "problem")), such as: \(problems[0])",
                hint: repair ? "shard the source again" : "make damaged shards again with --repair --source SOURCE")
        }
        let index = verifier.index
        printLine(
            "\(dir) is sound: \(counted(index.total, "sample")) \(ofClasses(index.classes.count)) in \(counted(index.shards.count, "shard")), "
                + "\(index.shards.reduce(0) { $0 + $1.bytes }) bytes")
    }

    private func problems(_ verifier: ShardVerifier) -> [ShardVerifier.Problem] {
        var line = ProgressLine(unit: "shards")
        return line.during { line in
            verifier.problems { line.report($0, of: verifier.index.shards.count) }
        }
    }
}
