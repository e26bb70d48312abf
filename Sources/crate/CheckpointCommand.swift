import ArgumentParser
import Base
import Checkpoints
import Foundation
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

    /// The run that all of them work on.
    struct RunArgument: ParsableArguments {
        @Argument(help: ArgumentHelp("Run directory.", valueName: "run"))
        var run: String

        /// Its checkpoints, of which there must be one.
        func store() throws -> CheckpointStore {
            let store = CheckpointStore(run: run)
            guard !store.paths().isEmpty else {
                throw Failure("\(run) holds no checkpoint", hint: "give the --run of `crate pretrain`")
            }
            return store
        }
    }

    struct List: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Print step, samples and bytes of each checkpoint.",
            discussion: "crate checkpoint list runs/tiny")
        @OptionGroup var argument: RunArgument

        func run() throws {
            for path in try argument.store().paths() {
                guard let manifest = try? Manifest.read(in: path) else {
                    print("\(path)  has no readable manifest")
                    continue
                }
                let bytes = manifest.files.values.reduce(0) { $0 + $1.bytes }
                print("\(path)  step \(manifest.step)  \(manifest.samples) samples  \(bytes >> 20) MiB")
            }
        }
    }

    struct Verify: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Hold every file of every checkpoint against its checksum; exit code 1 where one is damaged.",
            discussion: "crate checkpoint verify runs/tiny")
        @OptionGroup var argument: RunArgument

        func run() throws {
            let store = try argument.store()
            var isSound = true
            for path in store.paths() {
                do {
                    _ = try store.verify(path)
                    print("\(path)  sound")
                } catch {
                    isSound = false
                    print("\(path)  damaged: \(Failure(from: error).problem)")
                }
            }
            if !isSound { throw ExitCode(1) }
        }
    }

    struct Prune: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Remove all but some checkpoints.",
            discussion: """
                crate checkpoint prune runs/tiny
                crate checkpoint prune runs/tiny --keep 2 --keep-every 1000
                """)
        @OptionGroup var argument: RunArgument
        @Option(help: ArgumentHelp("Newest checkpoints that stay.", valueName: "n"))
        var keep = 3
        @Option(help: ArgumentHelp("Checkpoints of multiples of so many steps stay, too.", valueName: "steps"))
        var keepEvery: Int?

        func validate() throws {
            try demandCount("--keep", keep, upTo: 1_000_000)
            try demandCount("--keep-every", keepEvery ?? 1, upTo: 1_000_000_000)
        }

        func run() throws {
            let store = try argument.store()
            let lock = try RunDirectory(path: argument.run).lock { printError($0) }
            for path in store.prune(CheckpointRetention(last: keep, everySteps: keepEvery)) { print("removed \(path)") }
            _ = consume lock
        }
    }
}
