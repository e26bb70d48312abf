import Foundation
import TestSupport
import Testing

/// User errors and failures: a one-line error, on one of the ranks, a non-zero exit code, no hang.
@Suite(.serialized) struct FailureTests {
    /// Runs `arguments`, by default on two ranks, and expects one line with `text` within ten seconds.
    private func expectFailure(_ text: String, _ arguments: [String], ranks: Int = 2) throws {
        let result = try crate(arguments, ranks: ranks, seconds: 10)
        #expect(result.status != 0 && result.status != 124, "exit code \(result.status)")
        #expect(result.failureLines.count == 1, "\(result.errors)")
        #expect(result.failureLines.first?.contains(text) == true, "\(result.errors)")
        #expect(!result.errors.contains("Fatal error") && !result.errors.contains("Stack"))
    }

    @Test func pretrainRejectsInvalidOptions() throws {
        try withShards { path in
            let files = FileManager.default
            func pretrain(_ run: String = "run", _ more: [String] = []) -> [String] {
                pretrainArguments(path, run: run, ["--steps", "2"] + more)
            }
            try expectFailure("\(path)/none", pretrain("run", ["--data", "\(path)/none"]))
            try expectFailure("patch", pretrain("run", ["--patch-size", "4"]))
            try expectFailure("does not divide over 2 ranks", pretrain("run", ["--batch-size", "15"]))
            try expectFailure("micro-batches of 3", pretrain("run", ["--micro-batch", "3"]))
            try expectFailure("multiple of patch size", pretrain("run", ["--image-size", "33"]))
            try expectFailure("no samples", pretrain("run", ["--validation", try emptyShards(path)]))
            try Data().write(to: URL(fileURLWithPath: "\(path)/file"))
            try expectFailure("cannot write to the run directory", pretrain("file/run"))
            #expect(!files.fileExists(atPath: "\(path)/run"), "a rejected run leaves no files")
        }
    }

    @Test func resumeNeedsAnExistingRun() throws {
        try withShards { path in
            let run = "\(path)/run"
            try expectFailure("holds no run", ["pretrain", "--resume", "--run", run])
            try expectFailure("holds no checkpoint", ["pretrain", "--debug", "--resume", "--run", run], ranks: 1)
            #expect(try crate(pretrainArguments(path, run: "run", ["--steps", "2"])).status == 0)
            try expectFailure("run of crate pretrain", ["train", "--resume", "--run", run], ranks: 1)
            let shorter = ["pretrain", "--resume", "--run", run, "--steps", "1"]
            try expectFailure("2 steps already", shorter, ranks: 1)
            let done = try crate(["pretrain", "--resume", "--run", run])
            #expect(done.status == 0 && done.output.contains("nothing left to do"), "\(done.output)")
            try expectFailure("holds shards", pretrainArguments(path, run: "train", ["--steps", "2"]))
        }
    }

    @Test func misspeltCommandIsNamed() throws {
        try expectFailure("did you mean `crate pretrain`?", ["pretrian", "--data", "x"], ranks: 1)
        try expectFailure("there is no command nosuchthing; see", ["nosuchthing"], ranks: 1)
    }

    @Test func unusualSettingsGiveWarnings() throws {
        try withShards { path in
            let result = try crate(
                pretrainArguments(path, run: "run", ["--steps", "1", "--lr", "1e-6", "--image-size", "64"]))
            #expect(result.status == 0)
            #expect(result.errors.contains("teaches hardly anything"), "\(result.errors)")
            #expect(result.errors.contains("enlarged to 64"), "\(result.errors)")
        }
    }

    /// Examples are copied and pasted: a continued line ends in a backslash, however narrow the terminal.
    @Test func examplesInHelpAreCompleteLines() throws {
        func isExample(_ line: String) -> Bool { line.hasPrefix("crate ") || line.hasPrefix("mpirun ") }
        for command in try ProgramOptions().options.keys where !command.isEmpty {
            let help = try crate(["help"] + command.split(separator: " ").map(String.init)).output
            let lines = help.split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
            for paragraph in lines.split(separator: "") where isExample(paragraph.first ?? "") {
                for (before, line) in zip(paragraph, paragraph.dropFirst()) {
                    #expect(isExample(line) != before.hasSuffix("\\"), "\(command): \(line)")
                }
            }
        }
    }

    @Test func truncatedShardIsNamed() throws {
        try withShards { path in
            let shard = "\(path)/train/shard-00001.h5"
            let handle = try #require(FileHandle(forWritingAtPath: shard))
            try handle.truncate(atOffset: 1000)
            try handle.close()
            try expectFailure("shard-00001.h5", pretrainArguments(path, run: "run", ["--steps", "2"]))
        }
    }

    /// One rank finds a flipped bit in a sample in the middle of the run; all ranks end.
    @Test func corruptSampleEndsAllRanks() throws {
        try withShards { path in
            let shard = URL(fileURLWithPath: "\(path)/train/shard-00001.h5")
            var bytes = try Data(contentsOf: shard)
            try #require(!bytes.isEmpty)
            bytes[bytes.count * 3 / 4] ^= 1
            try bytes.write(to: shard)
            try expectFailure("shard-00001.h5", pretrainArguments(path, run: "run", ["--epochs", "1"]))
        }
    }

    @Test func evaluateRejectsInvalidCheckpoints() throws {
        try withShards { path in
            let data = ["--data", "\(path)/val"]
            try expectFailure("there is no", ["evaluate", "--checkpoint", "\(path)/none"] + data)
            try expectFailure("holds no checkpoint", ["evaluate", "--checkpoint", "\(path)/train"] + data)
            let other = "\(path)/file.safetensors"
            try Data("not a safetensors file".utf8).write(to: URL(fileURLWithPath: other))
            try expectFailure("not a valid safetensors file", ["evaluate", "--checkpoint", other] + data)
        }
    }

    @Test func homeThatIsNotExpandedIsRefused() throws {
        try withTemporaryDirectory { path in
            let file = "\(path)/run.yaml"
            try Data("data: ~/shards\nrun: \(path)/run\n".utf8).write(to: URL(fileURLWithPath: file))
            try expectFailure("~/shards is not expanded", ["pretrain", "--config", file])
            try expectFailure("~/run is not expanded", ["pretrain", "--data", path, "--run=~/run"])
            try expectFailure("~/run is not expanded", ["pretrain", "--data", path, "--run", "~/run"], ranks: 1)
            try expectFailure("~ is not expanded", ["verify", "~"], ranks: 1)
            #expect(!FileManager.default.fileExists(atPath: "~"))
        }
    }

    @Test func unknownKernelsAreRefused() throws {
        let result = try crate(["bench", "--steps", "1"], environment: ["CRATE_KERNELS": "sse"])
        #expect(result.status == 1 && result.errors.contains("CRATE_KERNELS is sse"), "\(result.errors)")
    }

    /// Opening a FIFO waits for its writer.
    @Test func fifoInPlaceOfAFileIsRefused() throws {
        try withShards { path in
            try #require(try crate(pretrainArguments(path, run: "run", ["--steps", "1"])).status == 0)
            try #require(mkfifo("\(path)/fifo.json", 0o600) == 0)
            let plan = ["plan", "--images", "1000", "--bench", "\(path)/fifo.json"]
            try expectFailure("is not a regular file", plan, ranks: 1)
            let attention = [
                "attention", "--checkpoint", "\(path)/run", "--output", "\(path)/maps", "\(path)/fifo.json",
            ]
            try expectFailure("is not a regular file", attention)
            try FileManager.default.removeItem(atPath: "\(path)/run/log.jsonl")
            try #require(mkfifo("\(path)/run/log.jsonl", 0o600) == 0)
            let report = try crate(["report", "\(path)/run", "--samples", "0"], seconds: 10)
            #expect(report.status != 124, "exit code \(report.status)")
        }
    }

    @Test func wrongOptionIsReportedOnce() throws {
        let result = try crate(["pretrain", "--no-such-option"], ranks: 2, seconds: 10)
        #expect(result.status != 0)
        #expect(result.errors.components(separatedBy: "Error:").count == 2, "\(result.errors)")
    }

    private func emptyShards(_ path: String) throws -> String {
        let empty = "\(path)/empty"
        try FileManager.default.createDirectory(atPath: empty, withIntermediateDirectories: true)
        let text = try String(contentsOfFile: "\(path)/val/index.json", encoding: .utf8)
        var index = try #require(try JSONSerialization.jsonObject(with: Data(text.utf8)) as? [String: Any])
        index["shards"] = [[String: Any]]()
        index["total"] = 0
        try JSONSerialization.data(withJSONObject: index).write(to: URL(fileURLWithPath: "\(empty)/index.json"))
        return empty
    }
}
