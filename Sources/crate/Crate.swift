import ArgumentParser
import Files
import Foundation

@main
struct Crate: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "crate",
        abstract: "Pretrain CRATE-MAE, the white-box masked autoencoder, on CPU clusters.",
        subcommands: [
            SynthesizeCommand.self, ShardCommand.self, VerifyCommand.self, InspectCommand.self, PretrainCommand.self,
            EvaluateCommand.self, CheckpointCommand.self, CompareCommand.self, BenchCommand.self, PlanCommand.self,
            FeaturesCommand.self, ProbeCommand.self,
        ])

    static func main() {
        // A reader that goes away, such as `| head`, is no reason to stop.
        signal(SIGPIPE, SIG_IGN)
        do {
            var command = try parseAsRoot(withStoredArguments(Array(CommandLine.arguments.dropFirst())))
            try command.run()
        } catch let failure as Failure {
            printError("error: \(failure)")
            exit(withError: ExitCode(1))
        } catch {
            // Under mpirun every rank meets the same error of the command line; one of them says so.
            let rank = ProcessInfo.processInfo.environment["OMPI_COMM_WORLD_RANK"] ?? "0"
            exit(withError: rank == "0" ? error : ExitCode(exitCode(for: error).rawValue))
        }
    }
}
