import Foundation
import TestSupport
import Testing

/// Where results and progress go: full disks, closed streams, narrow and simple terminals.
@Suite(.serialized) struct OutputTests {
    /// Runs `crate` with `arguments`, quoted, in a shell that adds `redirection`.
    private func shell(_ arguments: [String], _ redirection: String) throws -> CommandResult {
        let words = ([program] + arguments).map { "'\($0)'" }.joined(separator: " ")
        var environment = ProcessInfo.processInfo.environment
        environment["OMPI_ALLOW_RUN_AS_ROOT"] = "1"
        environment["OMPI_ALLOW_RUN_AS_ROOT_CONFIRM"] = "1"
        return try run(["timeout", "120", "bash", "-c", "\(words) \(redirection)"], environment: environment)
    }

    @Test func lostResultsAreFailures() throws {
        try withShards(train: 32, validation: 12) { path in
            // A run goes on without its output; its result is in files.
            let trained = try shell(pretrainArguments(path, run: "run", ["--steps", "2"]), ">/dev/full")
            #expect(trained.status == 0, "\(trained.errors)")
            #expect(try logged("loss", "\(path)/run").count == 2)
            let commands = [
                ["inspect", "\(path)/train"], ["evaluate", "--checkpoint", "\(path)/run", "--data", "\(path)/val"],
                ["checkpoint", "list", "\(path)/run"], ["pretrain", "--data", "x", "--run", "y", "--print-config"],
                ["plan", "--images", "10", "--epochs", "1", "--batch-size", "2", "--gflops", "1", "--json"], ["--help"],
                ["--version"],
            ]
            for command in commands {
                let full = try shell(command, ">/dev/full")
                let line = "crate: error: cannot write to standard output: No space left on device"
                #expect(full.status == 1 && full.errors.contains(line), "\(command[0]): \(full.status) \(full.errors)")
                let closed = try shell(command, ">&-")
                #expect(
                    closed.status == 1 && closed.errors.contains("cannot write to standard output"),
                    "\(command[0]): \(closed.status) \(closed.errors)")
                // A reader that has seen enough.
                let read = try shell(command, "| head -n 1; exit ${PIPESTATUS[0]}")
                #expect(read.status == 0, "\(command[0]): \(read.errors)")
            }
        }
    }

    /// The number of a closed stream must not become that of a file.
    @Test func closedStreamsHarmNothing() throws {
        try withShards(train: 32, validation: 12) { path in
            let images = ["\(path)/train-images", "\(path)/again", "--image-size", "40", "--patch-size", "8"]
            _ = try shell(["shard"] + images, "<&- >&- 2>&-")
            try succeed(["verify", "\(path)/again"])
            let trained = try shell(pretrainArguments(path, run: "run", ["--steps", "2"]), "<&- >&- 2>&-")
            #expect(trained.status == 0)
            try succeed(["checkpoint", "verify", "\(path)/run"])
            #expect(try logged("loss", "\(path)/run").count == 2)
        }
    }

    /// What a terminal of 40 columns gets of a run of 60 steps.
    private func watched(_ path: String, _ run: String, terminal: String) throws -> String {
        let words = [program] + pretrainArguments(path, run: run, ["--steps", "60", "--save-every", "60steps"])
        let command = "stty cols 40; exec \(words.joined(separator: " "))"
        var environment = ProcessInfo.processInfo.environment
        environment["TERM"] = terminal
        environment["OMPI_ALLOW_RUN_AS_ROOT"] = "1"
        environment["OMPI_ALLOW_RUN_AS_ROOT_CONFIRM"] = "1"
        let result = try CommandTests.run(["script", "-qec", command, "/dev/null"], environment: environment)
        #expect(result.status == 0, "\(result.errors)")
        return result.output
    }

    @Test func progressFitsTheTerminal() throws {
        try withShards(train: 32, validation: 12) { path in
            let text = try watched(path, "run", terminal: "xterm")
            let updates = text.components(separatedBy: "\r\u{1B}[K").filter { $0.hasPrefix("step ") }
            #expect(updates.count == 60)
            // The last one stays, and a new line follows it.
            #expect(updates.allSatisfy { $0.prefix { $0 != "\r\n" && $0 != "\n" }.count == 39 }, "\(updates.prefix(2))")
            let plain = try watched(path, "plain", terminal: "dumb")
            #expect(!plain.contains("\u{1B}") && !plain.contains("\r\r"))
            let lines = plain.split(whereSeparator: \.isNewline).filter { $0.hasPrefix("step ") }
            #expect(lines.count < 20 && lines.allSatisfy { $0.hasSuffix(" left") }, "\(lines.count)")
        }
    }
}
