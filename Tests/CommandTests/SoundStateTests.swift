import Foundation
import Kernels
import TestSupport
import Testing

/// No failure throws away complete steps while the state is sound: whatever fails, and wherever, they are saved.
@Suite(.serialized) struct SoundStateTests {
    private func steps(_ run: String) -> [Int] {
        let names = (try? FileManager.default.contentsOfDirectory(atPath: "\(run)/checkpoints")) ?? []
        return names.filter { $0.hasPrefix("step-") }.compactMap { Int($0.dropFirst(5)) }.sorted()
    }

    /// The number in `text` before " complete steps are saved".
    private func savedSteps(_ text: String) -> Int? {
        guard let end = text.range(of: " complete steps are saved")?.lowerBound else { return nil }
        return Int(text[..<end].split(whereSeparator: { !$0.isNumber }).last ?? "")
    }

    /// Steps that the output shows.
    private func shownSteps(_ output: String) -> Int {
        output.split(separator: "\n").compactMap { line in
            line.hasPrefix("step ") ? Int(line.dropFirst(5).prefix { $0.isNumber }) : nil
        }.max() ?? 0
    }

    /// Flips a byte of sample `sample` of the shard file `path`, of `count` samples of `bytes` bytes.
    private func damage(_ path: String, at offset: UInt64) throws {
        let file = try #require(FileHandle(forUpdatingAtPath: path))
        try file.seek(toOffset: offset)
        let byte = try #require(try file.read(upToCount: 1)?.first)
        try file.seek(toOffset: offset)
        try file.write(contentsOf: Data([byte ^ 0xFF]))
        try file.close()
    }

    /// Where the samples of the first shard in `directory` begin.
    private func firstSample(_ directory: String) throws -> UInt64 {
        let data = try Data(contentsOf: URL(fileURLWithPath: "\(directory)/index.json"))
        let index = try #require(try JSONSerialization.jsonObject(with: data) as? [String: Any])
        let shard = try #require((index["shards"] as? [[String: Any]])?.first)
        let structure = try #require(shard["structure"] as? [String: Any])
        return UInt64(try #require((structure["samples"] as? [Int])?.first))
    }

    @Test func damagedValidationShardKeepsTheSteps() throws {
        try withShards { path in
            let options = ["--validation", "\(path)/val", "--steps", "12", "--save-every", "100steps"]
            let before = try crate(pretrainArguments(path, run: "run", options + ["--stop-after", "4"]), ranks: 2)
            try #require(before.status == 0, "\(before.errors)")
            try damage("\(path)/val/shard-00000.h5", at: try firstSample("\(path)/val") + 100)
            let after = try crate(["pretrain", "--run", "\(path)/run", "--resume", "--stop-after", "12"], ranks: 2)
            #expect(after.status == 1 && after.failureLines.count == 1)
            #expect(after.errors.contains("is damaged") && savedSteps(after.errors) == 8, "\(after.errors)")
            #expect(steps("\(path)/run") == [4, 8])
            #expect(try crate(["checkpoint", "verify", "\(path)/run"]).status == 0)
        }
    }

    @Test func damagedTrainingSampleKeepsTheSteps() throws {
        try withShards { path in
            try damage("\(path)/train/shard-00000.h5", at: try firstSample("\(path)/train") + 100)
            let result = try crate(pretrainArguments(path, run: "run", ["--steps", "4", "--seed", "3"]), ranks: 2)
            #expect(result.status == 1 && result.failureLines.count == 1)
            #expect(result.errors.contains("is damaged"))
            let logged = try logged("loss", "\(path)/run").count
            #expect(logged > 0 && savedSteps(result.errors) == logged && steps("\(path)/run") == [logged])
        }
    }

    /// Makes every work fail that ranks agree on, one after the other.
    @Test(arguments: [1, 2]) func failureOfAnyAgreementKeepsTheSteps(ranks: Int) throws {
        try withShards { path in
            let options = [
                "--validation", "\(path)/val", "--steps", "3", "--save-every", "2steps", "--report-every", "1",
                "--measure-every", "2", "--measure-images", "2", "--batch-size", "32", "--ema", "0.9", "--knn-every",
                "1",
            ]
            var (number, withSteps) = (1, 0)
            while true {
                let run = "run-\(number)"
                let result = try crate(
                    pretrainArguments(path, run: run, options), ranks: ranks == 1 ? nil : ranks,
                    environment: ["CRATE_INJECT_FAULT": "agree:\(ranks - 1):\(number)"])
                if !result.errors.contains("was injected") && !result.output.contains("was injected") {
                    #expect(result.status == 0 && steps("\(path)/\(run)").last == 3, "\(result.errors)")
                    break
                }
                try requirePromise(result, "\(path)/\(run)", "agreement \(number)")
                if shownSteps(result.output) > 0 { withSteps += 1 }
                // On two ranks the same places are visited; some of them are enough.
                number += ranks == 1 ? 1 : 5
                try? FileManager.default.removeItem(atPath: "\(path)/\(run)")
            }
            print(
                "failures of agreement were injected at \(number - 1) places on \(ranks) ranks, \(withSteps) after a step"
            )
            #expect(withSteps > 0)
        }
    }

    /// Makes every call fail once that reads or writes files of the run or shards. CI takes some of the places; CRATE_EVERY_FAULT=1 in
    /// the environment takes all.
    @Test func failureOfAnyCallOnFilesKeepsTheSteps() throws {
        try withShards { path in
            let options = [
                "--validation", "\(path)/val", "--steps", "3", "--save-every", "2steps", "--report-every", "1",
                "--measure-every", "2", "--measure-images", "2", "--batch-size", "32", "--ema", "0.9", "--knn-every",
                "1",
            ]
            let list = "\(NSTemporaryDirectory())/calls-\(UUID().uuidString)"
            defer { try? FileManager.default.removeItem(atPath: list) }
            let whole = try crate(
                pretrainArguments(path, run: "whole", options),
                environment: try FaultyFiles.environment(["PATH": path, "LIST": list]))
            try #require(whole.status == 0, "\(whole.errors)")
            let calls = try String(contentsOfFile: list, encoding: .utf8).split(separator: "\n")
            try #require(calls.count > 50)
            let takesAll = ProcessInfo.processInfo.environment["CRATE_EVERY_FAULT"] == "1"
            let places = stride(from: 1, through: calls.count, by: takesAll ? 1 : max(1, calls.count / 40))
            var ended = 0
            for place in places {
                let run = "run-\(place)"
                let result = try crate(
                    pretrainArguments(path, run: run, options),
                    environment: try FaultyFiles.environment(["PATH": path, "FIRST": "\(place)"]))
                let what = "call \(place), \(calls[place - 1])"
                if result.status == 0 {
                    #expect(try bytes("\(path)/\(run)", step: 3) == bytes("\(path)/whole", step: 3), "\(what)")
                } else {
                    ended += 1
                    try requirePromise(result, "\(path)/\(run)", what)
                }
                try? FileManager.default.removeItem(atPath: "\(path)/\(run)")
            }
            print("\(Array(places).count) of \(calls.count) calls on files were made to fail: \(ended) ended the run")
        }
    }

    /// The promise to a run that ends: one line, exit code 1, and the newest sound checkpoint is of the last complete step.
    private func requirePromise(_ result: CommandResult, _ run: String, _ what: String) throws {
        #expect(result.status == 1 && result.failureLines.count == 1, "\(what): \(result.status) \(result.errors)")
        let shown = shownSteps(result.output)
        guard let saved = savedSteps(result.errors) else {
            #expect(shown == 0 || steps(run).last == shown, "\(what): \(result.errors) \(result.output)")
            return
        }
        #expect(saved >= shown && steps(run).last == saved, "\(what): \(result.errors)")
        #expect(try crate(["checkpoint", "verify", run]).status == 0, "\(what)")
    }

    /// Whatever does not end a run does not change it: reads and writes of a few bytes at a time, leftovers that cannot be removed, and
    /// calls that a signal interrupts.
    @Test func poorFileSystemsGiveTheSameBytes() throws {
        try withShards(train: 32) { path in
            let options = ["--dim", "12", "--depth", "1", "--steps", "4", "--save-every", "1steps", "--keep", "1"]
            let whole = try crate(pretrainArguments(path, run: "whole", options))
            try #require(whole.status == 0, "\(whole.errors)")
            let poor = [
                "short": ["CALLS": "read,write", "SHORT": "1"],
                "busy": ["CALLS": "unlink,rmdir", "FIRST": "1", "LAST": "1000000", "ERRNO": "\(EBUSY)"],
                "interrupted": ["CALLS": "read,write", "FIRST": "20", "ERRNO": "\(EINTR)"],
            ]
            for (kind, settings) in poor {
                let environment = try FaultyFiles.environment(settings.merging(["PATH": "/\(kind)/"]) { $1 })
                let result = try crate(pretrainArguments(path, run: kind, options), environment: environment)
                #expect(result.status == 0, "\(kind): \(result.errors)")
                #expect(try bytes("\(path)/\(kind)", step: 4) == bytes("\(path)/whole", step: 4), "\(kind)")
                #expect(try crate(["checkpoint", "verify", "\(path)/\(kind)"]).status == 0)
            }
        }
    }

    /// What must survive a power cut is synced: the log before a checkpoint counts, and every directory that has a new name.
    @Test func whatCountsIsOnTheDisk() throws {
        try withShards(train: 32) { path in
            let list = "\(NSTemporaryDirectory())/syncs-\(UUID().uuidString)"
            defer { try? FileManager.default.removeItem(atPath: list) }
            let environment = try FaultyFiles.environment(["PATH": "/run", "CALLS": "fsync,rename", "LIST": list])
            let result = try crate(pretrainArguments(path, run: "run", ["--steps", "1"]), environment: environment)
            try #require(result.status == 0, "\(result.errors)")
            let calls = try String(contentsOfFile: list, encoding: .utf8).split(separator: "\n").map(String.init)
            let step = "\(path)/run/checkpoints/step-0000000001"
            let renamed = try #require(calls.firstIndex(of: "rename \(step)"))
            let log = try #require(calls[..<renamed].lastIndex(of: "fsync \(path)/run/log.jsonl"))
            #expect(calls[..<log].contains("fsync \(path)/run"), "the directory of the log and of checkpoints")
            #expect(calls[..<renamed].contains { $0.hasPrefix("fsync \(step).") && $0.hasSuffix(".partial") })
            #expect(calls[renamed...].contains("fsync \(path)/run/checkpoints"))
        }
    }

    /// Syncs of two seconds, while the ranks give each other up after four without progress.
    @Test func slowDiskIsNotAStall() throws {
        try withShards { path in
            let slow = try FaultyFiles.environment(["PATH": "/checkpoints", "CALLS": "fsync", "DELAY": "2000000"])
            let limits = ["--stall-warning", "3", "--stall-abort", "4"]
            let result = try crate(
                pretrainArguments(path, run: "run", ["--steps", "1", "--batch-size", "15"] + limits), ranks: 3,
                environment: slow)
            #expect(result.status == 0 && steps("\(path)/run") == [1], "\(result.errors)")
            #expect(!result.errors.contains("has not arrived"), "\(result.errors)")
        }
    }

    /// A file system without locks, as Lustre without flock.
    @Test func twoJobsCannotShareARunWithoutLocks() throws {
        try withShards { path in
            let none = try FaultyFiles.environment(
                ["PATH": path, "CALLS": "flock", "FIRST": "1", "LAST": "1000000", "ERRNO": "\(ENOLCK)"])
            let options = ["--steps", "1000000", "--save-every", "100000"]
            let first = try RunningCommand.crate(
                pretrainArguments(path, run: "run", options), ranks: 1, environment: none)
            first.wait { FileManager.default.fileExists(atPath: "\(path)/run/log.jsonl") }
            let second = try crate(["pretrain", "--run", "\(path)/run", "--resume"], environment: none)
            #expect(second.status == 1 && second.failureLines.count == 1, "\(second.output) \(second.errors)")
            #expect(second.failureLines.first?.contains("another process uses \(path)/run") == true)
            #expect(second.output.contains("has no locks"))
            try first.send(SIGKILL, toRank: 0, marker: "\(path)/run")
            _ = try first.finish()
            let third = try crate(
                pretrainArguments(path, run: "run", ["--steps", "2", "--resume"]), environment: none)
            #expect(third.status == 0, "the lease of a process that is gone is taken over: \(third.errors)")
            #expect(!FileManager.default.fileExists(atPath: "\(path)/run/lock.lease"))
        }
    }
}
