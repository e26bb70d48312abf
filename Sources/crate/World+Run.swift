import ArgumentParser
import Base
import Collectives
import Foundation

/// Starts MPI, runs `body`, and finalises MPI on all ranks. Rank 0 prints a failure of `body`, which is the same on all ranks, and all exit
/// with code 1; an exit code that `body` throws is that of all ranks. Ranks that were started with different commands or options
/// are refused before.
func runWithWorld(_ body: (World) throws -> Void) throws {
    try Launcher.ofProcess.prepareMPI()
    let world = try World.start()
    do {
        try world.requireSameStart()
        try body(world)
    } catch let code as ExitCode {
        world.finish()
        throw code
    } catch {
        if world.rank == 0 { printError("error: \(Failure(from: error))") }
        world.finish()
        throw ExitCode(1)
    }
    world.finish()
}

extension World {
    /// The first thing that all ranks do together, whatever their commands are.
    ///
    /// Throws `Failure` on all ranks if one has another command than rank 0, or another option that all have to have. If a rank cannot start
    /// its command, because of `failure`, all processes end here.
    func requireSameStart(failure: StartFailure? = nil) throws {
        guard size > 1 else { return }
        let given = try? GivenArguments.ofProcess.get()
        let word = given?.words.first ?? CommandLine.arguments.dropFirst().first
        let command = word.map { "crate \($0.printable(limit: 40))" } ?? "crate"
        StartFailure.endIfAny(failure, command: command, self)
        try requireEqual(["command": command])
        try requireEqual(given?.sharedSettings ?? [:])
    }
}

/// A command of one process, which several would only repeat.
protocol SingleProcessCommand: ParsableCommand {}

extension SingleProcessCommand {
    /// Throws `Failure` if there are several processes.
    func requireOneProcess() throws {
        guard let size = Launcher.ofProcess.size, size > 1 else { return }
        throw Failure(
            "this command works in one process, and there are \(size) ranks", hint: "start it without mpirun")
    }
}
