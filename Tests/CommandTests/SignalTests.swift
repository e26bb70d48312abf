import Foundation
import Kernels
import TestSupport
import Testing

/// Signals to a run: stop requests end it with a checkpoint, other signals have no effect, and no computing thread
/// ever receives one.
@Suite(.serialized) struct SignalTests {
    private static let requests = [SIGTERM, SIGINT, SIGHUP, SIGUSR1, SIGUSR2, SIGXCPU]
    private static let harmless = [SIGALRM, SIGVTALRM, SIGPROF, SIGCHLD, SIGURG, SIGWINCH, SIGIO, SIGCONT]

    private func startEndless(_ path: String, ranks: Int? = nil, _ more: [String] = []) throws -> RunningCommand {
        let command = try RunningCommand.crate(
            pretrainArguments(path, run: "run", ["--steps", "1000000", "--save-every", "100000"] + more),
            ranks: ranks, seconds: 60)
        command.wait { logLines(path) > 3 }
        return command
    }

    private func logLines(_ path: String) -> Int {
        ((try? String(contentsOfFile: "\(path)/run/log.jsonl", encoding: .utf8)) ?? "").split(separator: "\n").count
    }

    private func saved(_ path: String) -> Int {
        ((try? FileManager.default.contentsOfDirectory(atPath: "\(path)/run/checkpoints")) ?? []).count
    }

    /// A signal handler on a thread whose stack pointer is in the heap would corrupt it, so no thread may receive signals, including OpenBLAS's
    /// threads, which start before `main`.
    @Test func everyThreadBlocksSignals() throws {
        try withShards { path in
            let command = try startEndless(path, ["--threads", "2"])
            let process = try command.identifier(marker: "\(path)/run")
            let threads = try FileManager.default.contentsOfDirectory(atPath: "/proc/\(process)/task")
            let masks = try threads.compactMap { thread in
                // A thread may have ended since.
                let path = "/proc/\(process)/task/\(thread)/status"
                guard let text = try? String(contentsOfFile: path, encoding: .utf8) else { return UInt64?.none }
                let line = try #require(text.split(separator: "\n").first { $0.hasPrefix("SigBlk:") })
                return try #require(UInt64(line.split(separator: "\t").last ?? "", radix: 16))
            }
            kill(process, SIGTERM)
            #expect(try command.finish().status == 75)
            let bits = (Self.requests + Self.harmless.filter { $0 != SIGCONT }).map { UInt64(1) << UInt64($0 - 1) }
            let taken = bits.reduce(0, |)
            #expect(masks.count > 3)
            // The kernel shows them as unblocked in the thread that waits for them.
            #expect(masks.filter { $0 & taken != taken }.count <= 1, "\(masks)")
        }
    }

    @Test(arguments: requests)
    func stopRequestSavesAndEnds(signal: Int32) throws {
        try withShards { path in
            let command = try startEndless(path)
            kill(try command.identifier(marker: "\(path)/run"), signal)
            let result = try command.finish()
            #expect(result.status == 75, "\(result.errors)")
            #expect(saved(path) == 1)
        }
    }

    @Test func hangUpIsIgnoredUnderNohup() throws {
        try withShards { path in
            let command = try RunningCommand(
                ["timeout", "60", "nohup", program]
                    + pretrainArguments(path, run: "run", ["--steps", "1000000", "--save-every", "100000"]))
            command.wait { logLines(path) > 3 }
            let process = try command.identifier(marker: "\(path)/run")
            kill(process, SIGHUP)
            let before = logLines(path)
            command.wait { logLines(path) > before + 20 }
            #expect(logLines(path) > before + 20)
            kill(process, SIGTERM)
            #expect(try command.finish().status == 75)
        }
    }

    /// The first SIGINT waits for the end of a step, which takes seconds here; the second does not.
    @Test func secondInterruptDoesNotWait() throws {
        try withShards { path in
            let command = try RunningCommand.crate(
                [
                    "pretrain", "--data", "\(path)/train", "--run", "\(path)/run", "--dim", "768", "--depth", "6",
                    "--heads", "12", "--image-size", "32", "--patch-size", "8", "--batch-size", "4096", "--lr", "1e-3",
                    "--steps", "10",
                ])
            command.wait { FileManager.default.fileExists(atPath: "\(path)/run/lock") }
            let process = try command.identifier(marker: "\(path)/run")
            command.wait(every: 10_000) {
                kill(process, SIGINT)
                return false
            }
            #expect(try command.finish().status == 128 + SIGINT)
            #expect(saved(path) == 0)
        }
    }

    /// A command without a run ends like any program.
    @Test func otherCommandsEndAtOnce() throws {
        let command = try RunningCommand.crate([
            "bench", "--steps", "98765", "--dim", "48", "--depth", "1", "--heads", "3",
        ])
        // Found by a word that is in no other test's process.
        kill(try command.identifier(marker: "98765"), SIGTERM)
        #expect(try command.finish().status == 128 + SIGTERM)
    }

    /// Some hundred harmless signals per second to both ranks, during a whole run that saves all the time.
    @Test func harmlessSignalsChangeNothing() throws {
        try withShards { path in
            let options = ["--dim", "96", "--steps", "60", "--save-every", "3steps", "--virtual-ranks", "2"]
            let calm = try crate(pretrainArguments(path, run: "calm", options), ranks: 2)
            try #require(calm.status == 0, "\(calm.errors)")
            let command = try RunningCommand.crate(pretrainArguments(path, run: "run", options), ranks: 2)
            command.wait { logLines(path) > 0 }
            let ranks = try [0, 1].map { try command.identifier(marker: "\(path)/run", rank: $0) }
            var sent = 0
            command.wait(every: 2_000) {
                for rank in ranks where kill(rank, Self.harmless[sent % Self.harmless.count]) == 0 { sent += 1 }
                return false
            }
            let result = try command.finish()
            #expect(result.status == 0, "\(result.errors)")
            #expect(sent > 100)
            #expect(try bytes("\(path)/run", step: 60) == bytes("\(path)/calm", step: 60))
        }
    }

    /// A short version of the script that stops runs at random amid harmless signals.
    @Test func stoppedRunsResumeToTheSameBytes() throws {
        let launch = URL(fileURLWithPath: #filePath).deletingLastPathComponent().path + "/../../Launch"
        let result = try run([
            "timeout", "300", "\(launch)/chaos", "--kills", "0", "--stops", "4", "--seed", "5", "--steps", "12",
        ])
        #expect(result.status == 0, "\(result.output) \(result.errors)")
        #expect(result.output.contains("4 of 4 runs ended as expected, with the same final bytes"))
    }
}
