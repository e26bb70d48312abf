import ArgumentParser
import Base
import Collectives
import Foundation
import HDF5
import Images
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
                subcommands: [
                    SynthesizeCommand.self, ShardCommand.self, VerifyCommand.self, InspectCommand.self,
                    SplitCommand.self, MergeCommand.self, UnshardCommand.self,
                ]),
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
            try start()
        } catch let code as ExitCode {
            exit(withError: code)
        } catch {
            guard exitCode(for: error) == .success else { StartFailure(error).end() }
            // Every rank meets the same request for help.
            if Launcher.ofProcess.rank == 0 { Output.write(fullMessage(for: error) + "\n") }
            do { try Output.requireSuccess() } catch { StartFailure(error).end() }
            exit()
        }
    }

    /// Runs the command of the process. Throws what the argument parser says, an exit code, or `Failure`.
    private static func start() throws {
        try KernelSet.requireChoice()
        let given = try GivenArguments.ofProcess.get()
        try requireCommand(given.words.first)
        try given.requireExpandedPaths()
        var command = try parse(given)
        guard !given.isPrinting else {
            if Launcher.ofProcess.rank == 0 { Output.write(given.asFile) }
            return try Output.requireSuccess()
        }
        try (command as? any SingleProcessCommand)?.requireOneProcess()
        do {
            try command.run()
        } catch {
            let isOwn = error is ExitCode || exitCode(for: error) == .success
            throw isOwn ? error : Failure(from: error)
        }
        try Output.requireSuccess()
    }

    /// Version, build target and libraries.
    private static var versionText: String {
        let products = ProductLibraries.current
        let sets = BuildFacts.instructionSets.filter(\.isUsed).map(\.name).joined(separator: " ")
        return """
            crate \(programVersion)
            built with Swift \(BuildFacts.swift) for \(BuildFacts.processor) (\(sets.isEmpty ? "no wide vectors" : sets))
            kernels for \(products.kernels), OpenBLAS \(products.openBLAS) (\(products.openBLASKernel)), \
            \(World.mpiVersion), HDF5 \(hdf5Version()), \(ImageKind.libraries)
            """
    }

    /// Refuses an unknown subcommand before its options are reported as unknown.
    private static func requireCommand(_ word: String?) throws {
        let names = configuration.subcommands.compactMap { $0.configuration.commandName }
        guard let word, !word.hasPrefix("-"), word != "help", !names.contains(word) else { return }
        let nearest = nearestName(to: word, among: names, within: 3)
        throw Failure(
            "there is no command \(word.printable(limit: 80))",
            hint: nearest.map { "did you mean `crate \($0)`?" } ?? "see `crate --help`")
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
}
