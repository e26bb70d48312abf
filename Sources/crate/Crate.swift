import ArgumentParser
import Base
import Collectives
import Foundation
import HDF5
import Kernels

@main
struct Crate: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "crate",
        abstract: "Pretrain CRATE-MAE, the white-box masked autoencoder, on CPU clusters.",
        version: versionText,
        groupedSubcommands: [
            CommandGroup(
                name: "Data",
                subcommands: [SynthesizeCommand.self, ShardCommand.self, VerifyCommand.self, InspectCommand.self]),
            CommandGroup(
                name: "Training",
                subcommands: [
                    PretrainCommand.self, TrainCommand.self, FinetuneCommand.self, EvaluateCommand.self,
                    ReportCommand.self,
                ]),
            CommandGroup(
                name: "Model",
                subcommands: [
                    ProbeCommand.self, FeaturesCommand.self, AnalyzeCommand.self, ReconstructCommand.self,
                    AttentionCommand.self, PCACommand.self, EmergenceCommand.self,
                ]),
            CommandGroup(
                name: "Checkpoint", subcommands: [CheckpointCommand.self, ExportCommand.self, ImportCommand.self]),
            CommandGroup(
                name: "Machine",
                subcommands: [DoctorCommand.self, BenchCommand.self, PlanCommand.self, CompareCommand.self]),
        ])

    static func main() {
        // A closed pipe, as by `| head`, must not end the program; exceeding a file-size limit is a write error.
        signal(SIGPIPE, SIG_IGN)
        signal(SIGXFSZ, SIG_IGN)
        flushDenormals()
        startSignalThread()
        do {
            let given = try GivenArguments.ofProcess.get()
            try requireCommand(given.words.first)
            var command = try parse(given)
            if given.isPrinting {
                if isRankZero { print(given.asFile, terminator: "") }
            } else {
                try command.run()
            }
        } catch let failure as Failure {
            // Every rank meets the same error; a missing file only those of one node.
            if !isFirstOfNode { waitForAnotherToSay() }
            printError("error: \(failure)")
            exit(withError: ExitCode(1))
        } catch let code as ExitCode {
            exit(withError: code)
        } catch {
            // Under mpirun every rank meets the same command-line error, or prints the same help.
            if !isRankZero {
                guard exitCode(for: error) != .success else { exit() }
                waitForAnotherToSay()
            }
            exit(withError: error)
        }
    }

    /// mpirun ends the job when a rank exits with an error, before others have printed theirs. So a rank that is not to print a common error
    /// waits for that end; if it does not come, the error is this rank's alone.
    private static func waitForAnotherToSay() { sleep(2) }

    /// Version, build target and libraries.
    private static var versionText: String {
        let products = ProductLibraries.current
        let sets = BuildFacts.instructionSets.filter(\.isUsed).map(\.name).joined(separator: " ")
        return """
            crate \(programVersion)
            built with Swift \(BuildFacts.swift) for \(BuildFacts.processor) (\(sets.isEmpty ? "no wide vectors" : sets))
            kernels for \(products.kernels), OpenBLAS \(products.openBLAS) (\(products.openBLASKernel)), \
            \(World.mpiVersion), HDF5 \(hdf5Version())
            """
    }

    /// Refuses an unknown subcommand before its options are reported as unknown.
    private static func requireCommand(_ word: String?) throws {
        let names = configuration.subcommands.compactMap { $0.configuration.commandName }
        guard let word, !word.hasPrefix("-"), word != "help", !names.contains(word) else { return }
        let nearest = names.min { editDistance($0, word) < editDistance($1, word) } ?? ""
        let isNear = editDistance(nearest, word) <= 3
        throw Failure(
            "there is no command \(word)",
            hint: isNear ? "did you mean `crate \(nearest)`?" : "see `crate --help`")
    }

    /// Throws `Failure` with file and key if an option of a file is invalid.
    private static func parse(_ given: GivenArguments) throws -> ParsableCommand {
        do {
            return try parseAsRoot(given.words + given.standIns)
        } catch {
            guard let table = given.table, let failure = given.file?.failure(of: given.words[0], table) else {
                throw error
            }
            throw failure
        }
    }

    private static var isRankZero: Bool { isFirst("OMPI_COMM_WORLD_RANK") }
    private static var isFirstOfNode: Bool { isFirst("OMPI_COMM_WORLD_LOCAL_RANK") }

    /// Whether mpirun assigned the number 0, or there is no mpirun.
    private static func isFirst(_ variable: String) -> Bool {
        ProcessInfo.processInfo.environment[variable] ?? "0" == "0"
    }
}
