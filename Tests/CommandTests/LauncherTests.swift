import Foundation
import TestSupport
import Testing

private let launch = URL(fileURLWithPath: #filePath).deletingLastPathComponent().path + "/../../Launch"

/// A stop request to a launcher is obeyed at whatever moment it comes.
@Suite(.serialized) struct LauncherTests {
    /// Supervises `script` (bash). `acting` gets a file to which each start adds the process number of the supervisor. Returns
    /// the result and the number of starts.
    private func supervise(
        _ script: String, pause: String = "0.01", environment: [String: String] = [:],
        acting: (RunningCommand, String) throws -> Void = { _, _ in }
    ) throws -> (result: CommandResult, starts: Int) {
        try withTemporaryDirectory { path in
            let command = try RunningCommand(
                [
                    "timeout", "30", "\(launch)/supervise", "--pause", pause, "bash", "-c",
                    "echo $PPID >>$1; \(script)", "bash", "\(path)/starts", "--run", "\(path)/run",
                ], environment: ProcessInfo.processInfo.environment.merging(environment) { $1 })
            try acting(command, "\(path)/starts")
            let result = try command.finish()
            let starts = (try? String(contentsOfFile: "\(path)/starts", encoding: .utf8)) ?? ""
            return (result, starts.split(separator: "\n").count)
        }
    }

    /// Python code in a module that every Python program imports at its start.
    private func withStartUpCode(_ code: String, _ body: ([String: String]) throws -> Void) throws {
        try withTemporaryDirectory { path in
            try code.write(toFile: "\(path)/sitecustomize.py", atomically: true, encoding: .utf8)
            try body(["PYTHONPATH": path])
        }
    }

    /// The signal comes after the child has been started and before the supervisor knows it.
    @Test func requestDuringAStartStopsTheRun() throws {
        let code = """
            import os, signal
            start = os.posix_spawnp
            def start_and_request(*arguments, **options):
                child = start(*arguments, **options)
                os.kill(os.getpid(), signal.SIGTERM)
                return child
            os.posix_spawnp = start_and_request
            """
        try withStartUpCode(code) { environment in
            let (result, starts) = try supervise(
                "trap 'exit 75' USR1; while :; do sleep 0.05; done", environment: environment)
            #expect(result.status == 75, "\(result.errors)")
            #expect(starts <= 1, "the child may be ended before its first line")
        }
    }

    /// The signal comes between the end of a pause and the next start.
    @Test func requestBeforeAStartPreventsIt() throws {
        let code = """
            import os, pathlib, signal
            search = pathlib.Path.glob
            def request_and_search(path, pattern):
                os.kill(os.getpid(), signal.SIGTERM)
                return search(path, pattern)
            pathlib.Path.glob = request_and_search
            """
        try withStartUpCode(code) { environment in
            let (result, starts) = try supervise("exit 1", environment: environment)
            #expect(result.status == 75 && starts == 0, "\(result.errors)")
        }
    }

    @Test func requestDuringAPauseEndsIt() throws {
        let (result, starts) = try supervise("exit 1", pause: "1000") { command, starts in
            let incidents = URL(fileURLWithPath: starts).deletingLastPathComponent().path + "/run/incidents.jsonl"
            command.wait { FileManager.default.fileExists(atPath: incidents) }
            let supervisor = try String(contentsOfFile: starts, encoding: .utf8).trimmingCharacters(in: .newlines)
            kill(try #require(Int32(supervisor)), SIGTERM)
        }
        #expect(result.status == 75 && starts == 1, "\(result.errors)")
    }

    /// mpirun drops a signal while it has no ranks yet.
    @Test func requestIsRepeatedUntilTheRunHearsIt() throws {
        let deaf = "trap '' USR1; kill $PPID; sleep 1; trap 'exit 75' USR1; while :; do sleep 0.05; done"
        let (result, starts) = try supervise(deaf)
        #expect(result.status == 75 && starts == 1, "\(result.errors)")
        let script = "source \(launch)/stoppable; stoppable bash -c '\(deaf.replacingOccurrences(of: "'", with: "\""))'"
        #expect(try run(["timeout", "30", "bash", "-c", script]).status == 75)
    }

    @Test func requestBeforeAStoppableCommandPreventsIt() throws {
        let result = try run([
            "bash", "-c", "source \(launch)/stoppable; kill -TERM $$; stoppable echo started",
        ])
        #expect(result.status == 75 && result.output == "", "\(result.errors)")
    }

    /// A child must not inherit the blocked signals of the supervisor.
    @Test func supervisedCommandBlocksNoSignals() throws {
        let (result, _) = try supervise("grep -q 'SigBlk:\\s*0000000000000000' /proc/$$/status")
        #expect(result.status == 0, "\(result.errors)")
    }
}
