import ArgumentParser
import Base
import Collectives
import Foundation

/// Starts MPI, runs `body`, and finalises MPI on all ranks. Rank 0 prints a failure of `body`, which is the same on all ranks, and all exit
/// with code 1; an exit code that `body` throws is that of all ranks.
func runWithWorld(_ body: (World) throws -> Void) throws {
    let world = try World.start()
    do {
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

/// Prints `text` on standard error, prefixed with the program's name.
func printError(_ text: String) {
    try? FileHandle.standardError.write(contentsOf: Data("crate: \(text)\n".utf8))
}

/// Prints `value` as one line of JSON with snake-case keys.
func printJSON(_ value: some Encodable) throws {
    let encoder = JSONEncoder()
    encoder.keyEncodingStrategy = .convertToSnakeCase
    encoder.outputFormatting = [.sortedKeys]
    print(String(decoding: try encoder.encode(value), as: UTF8.self))
}
