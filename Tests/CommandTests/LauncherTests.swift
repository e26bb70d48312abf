import Foundation
import TestSupport
import Testing

private let launch = URL(fileURLWithPath: #filePath).deletingLastPathComponent().path + "/../../Launch"

/// A stop request to a launcher is obeyed at whatever moment it comes, and what killed jobs left is removed.
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
                if options.get('setsid'):
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

    /// The shared memory and the session directory of a killed job are removed, those of a running job stay, however old.
    @Test func leftoversOfAKilledJobAreRemoved() throws {
        try withShards { path in
            let environment = ProcessInfo.processInfo.environment.merging(["TMPDIR": path]) { $1 }
            func remove() throws { _ = try run(["\(launch)/remove-leftovers"], environment: environment) }
            let running = try Job(path, "running")
            let killed = try Job(path, "killed")
            let left = killed.segments + killed.sessions, used = running.segments + running.sessions
            try #require(killed.segments.count == 2 && killed.sessions.count == 1 && used.count == 3, "\(left) \(used)")
            for process in [killed.mpirun] + killed.ranks { kill(process, SIGKILL) }
            _ = try killed.command.finish()
            try remove()
            #expect((left + used).allSatisfy(exists), "younger than a minute")
            for file in left + used { try setAge(120, of: file) }
            try remove()
            #expect(!left.contains(where: exists), "\(left)")
            #expect(used.allSatisfy(exists), "\(used)")
            kill(running.ranks[0], SIGTERM)
            #expect(try running.command.finish().status == 75)
        }
    }

    /// Another revision under the tag of a package is refused.
    @Test func movedTagIsRefused() throws {
        try withTemporaryDirectory { path in
            let script = "\(path)/Launch/check-revisions"
            try FileManager.default.createDirectory(atPath: "\(path)/Launch", withIntermediateDirectories: false)
            try FileManager.default.copyItem(atPath: "\(launch)/check-revisions", toPath: script)
            let unresolved = try run([script])
            #expect(unresolved.status == 1 && unresolved.errors.contains("swift package resolve"))
            let resolved = try String(contentsOfFile: "\(launch)/../Package.resolved", encoding: .utf8)
            func check(_ text: String) throws -> CommandResult {
                try text.write(toFile: "\(path)/Package.resolved", atomically: true, encoding: .utf8)
                return try run([script])
            }
            #expect(try check(resolved).status == 0)
            let key = "\"revision\" : \""
            let moved = try check(resolved.replacingOccurrences(of: key, with: key + "0"))
            #expect(moved.status == 1 && moved.errors.contains("is revision 0"), "\(moved.errors)")
        }
    }

    /// A job of two ranks that has begun to train; its session directory is in `path`.
    private struct Job {
        let command: RunningCommand
        let mpirun: Int32
        let ranks: [Int32]
        let segments, sessions: [String]

        init(_ path: String, _ name: String) throws {
            let options = ["--steps", "1000000", "--save-every", "100000"]
            command = try RunningCommand.crate(
                pretrainArguments(path, run: name, options), ranks: 2, seconds: 60, environment: ["TMPDIR": path])
            command.wait { exists("\(path)/\(name)/log.jsonl") }
            mpirun = try command.identifier(marker: "\(path)/\(name)", isMpirun: true)
            ranks = try [0, 1].map { [command] in try command.identifier(marker: "\(path)/\(name)", rank: $0) }
            // A mapping can be missed while others change.
            var found: [String] = []
            command.wait { [ranks] in
                found = mapped(ranks[0]).filter { $0.contains("_segment.") }
                return found.count == 2
            }
            segments = found
            // The directories of Open MPI 4 and 5.
            sessions = Set(
                mapped(mpirun).compactMap {
                    let parts = $0.split(separator: "/")
                    let last = parts.firstIndex { $0.hasPrefix("pid.") || $0.hasPrefix("prterun.") }
                    return last.map { "/" + parts[...$0].joined(separator: "/") }
                }
            ).sorted()
        }
    }

    /// A child must not inherit the blocked signals of the supervisor.
    @Test func supervisedCommandBlocksNoSignals() throws {
        let (result, _) = try supervise("grep -q 'SigBlk:\\s*0000000000000000' /proc/$$/status")
        #expect(result.status == 0, "\(result.errors)")
    }
}

private func exists(_ path: String) -> Bool { FileManager.default.fileExists(atPath: path) }

private func setAge(_ seconds: Double, of path: String) throws {
    try FileManager.default.setAttributes([.modificationDate: Date(timeIntervalSinceNow: -seconds)], ofItemAtPath: path)
}

/// The files that a process has mapped.
private func mapped(_ process: Int32) -> [String] {
    // Foundation may stop in the middle of a file whose size the kernel does not say.
    let maps = (try? run(["cat", "/proc/\(process)/maps"]).output) ?? ""
    let paths = maps.split(separator: "\n").compactMap { line in line.firstIndex(of: "/").map { String(line[$0...]) } }
    return Set(paths).sorted()
}
