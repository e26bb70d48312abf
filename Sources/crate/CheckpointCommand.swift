import ArgumentParser
import Base
import Checkpoints
import Foundation
import Settings
import Training

struct CheckpointCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "checkpoint",
        abstract: "List, verify or prune the checkpoints of a run.",
        discussion: """
            crate checkpoint list runs/tiny
            crate checkpoint verify runs/tiny
            crate checkpoint prune runs/tiny --keep 2 --keep-every 1000
            """,
        subcommands: [List.self, Verify.self, Prune.self])

    /// The run of all subcommands.
    struct RunArgument: ParsableArguments {
        @Argument(help: ArgumentHelp("Run directory.", valueName: "run"))
        var run: String

        /// Throws `Failure` if the run has no checkpoint.
        func store() throws -> CheckpointStore {
            let store = CheckpointStore(run: run)
            guard !store.paths().isEmpty else {
                throw Failure("\(run) holds no checkpoint", hint: "give the --run of `crate pretrain`")
            }
            return store
        }
    }

    struct List: SingleProcessCommand {
        static let configuration = CommandConfiguration(
            abstract: "Print step, samples and bytes of each checkpoint.",
            discussion: "crate checkpoint list runs/tiny")
        @OptionGroup var argument: RunArgument

        func run() throws {
            for path in try argument.store().paths() {
                guard let manifest = try? Manifest.read(in: path) else {
                    printLine("\(path)  has no readable manifest")
                    continue
                }
                let bytes = manifest.files.values.reduce(0) { $0 + $1.bytes }
                printLine("\(path)  step \(manifest.step)  \(manifest.samples) samples  \(bytes >> 20) MiB")
            }
        }
    }

    struct Verify: SingleProcessCommand {
        static let configuration = CommandConfiguration(
            abstract: "Check every file of every checkpoint against its checksum; exit code 1 if one is corrupt.",
            discussion: "crate checkpoint verify runs/tiny")
        @OptionGroup var argument: RunArgument

        func run() throws {
            let store = try argument.store()
            var isSound = true
            for path in store.paths() {
                do {
                    _ = try store.verify(path)
                    printLine("\(path)  sound")
                } catch {
                    isSound = false
                    printLine("\(path)  damaged: \(Failure(from: error).problem)")
                }
            }
            if !isSound { throw ExitCode(1) }
        }
    }

    struct Prune: SingleProcessCommand {
        static let configuration = CommandConfiguration(
            abstract: "Remove checkpoints except those to keep.",
            discussion: """
                crate checkpoint prune runs/tiny
                crate checkpoint prune runs/tiny --keep 2 --keep-every 1000
                """)
        @OptionGroup var argument: RunArgument
        @Option(help: ArgumentHelp("Number of newest checkpoints to keep.", valueName: "n"))
        var keep = 3
        @Option(help: ArgumentHelp("Also keep checkpoints at multiples of this many steps.", valueName: "steps"))
        var keepEvery: Int?

        func validate() throws {
            try requireCount("--keep", keep, upTo: 1_000_000)
            try requireCount("--keep-every", keepEvery ?? 1, upTo: 1_000_000_000)
        }

        func run() throws {
            let store = try argument.store()
            let lock = try RunDirectory(path: argument.run).lock { printError($0) }
            for path in store.prune(CheckpointRetention(last: keep, everySteps: keepEvery)) {
                printLine("removed \(path)")
            }
            _ = consume lock
        }
    }
}
