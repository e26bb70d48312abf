import Foundation
import Testing

/// What people get wrong, and what breaks: one line that says so, on one of the ranks, a non-zero exit code, no hang.
@Suite(.serialized) struct FailureTests {
    /// Runs `arguments` on two ranks and expects one line with `text`, in ten seconds at the most.
    private func expectFailure(_ text: String, _ arguments: [String]) throws {
        let result = try crate(arguments, ranks: 2, seconds: 10)
        #expect(result.status != 0 && result.status != 124, "exit code \(result.status)")
        #expect(result.failureLines.count == 1, "\(result.errors)")
        #expect(result.failureLines.first?.contains(text) == true, "\(result.errors)")
        #expect(!result.errors.contains("Fatal error") && !result.errors.contains("Stack"))
    }

    @Test func pretrainRefusesWhatCannotBe() throws {
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
            #expect(!files.fileExists(atPath: "\(path)/run"), "nothing is left behind by a refusal")
        }
    }

    @Test func aTruncatedShardIsNamed() throws {
        try withShards { path in
            let shard = "\(path)/train/shard-00001.h5"
            let handle = try #require(FileHandle(forWritingAtPath: shard))
            try handle.truncate(atOffset: 1000)
            try handle.close()
            try expectFailure("shard-00001.h5", pretrainArguments(path, run: "run", ["--steps", "2"]))
        }
    }

    /// A flipped bit in one sample is met by one rank in the middle of the run; all ranks end.
    @Test func aDamagedSampleEndsAllRanks() throws {
        try withShards { path in
            let shard = URL(fileURLWithPath: "\(path)/train/shard-00001.h5")
            var bytes = try Data(contentsOf: shard)
            bytes[bytes.count * 3 / 4] ^= 1
            try bytes.write(to: shard)
            try expectFailure("shard-00001.h5", pretrainArguments(path, run: "run", ["--epochs", "1"]))
        }
    }

    @Test func evaluateRefusesWhatIsNoCheckpoint() throws {
        try withShards { path in
            let data = ["--data", "\(path)/val"]
            try expectFailure("there is no", ["evaluate", "--checkpoint", "\(path)/none"] + data)
            try expectFailure("holds no checkpoint", ["evaluate", "--checkpoint", "\(path)/train"] + data)
            let other = "\(path)/file.safetensors"
            try Data("not a safetensors file".utf8).write(to: URL(fileURLWithPath: other))
            try expectFailure("not a valid safetensors file", ["evaluate", "--checkpoint", other] + data)
        }
    }

    @Test func aWrongOptionIsSaidOnce() throws {
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
