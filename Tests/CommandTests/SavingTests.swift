import Foundation
import Kernels
import TestSupport
import Testing

/// Checkpoints when disks fill up, processes die and runs are resumed.
@Suite(.serialized) struct SavingTests {
    private func steps(_ run: String) -> [Int] {
        let names = (try? FileManager.default.contentsOfDirectory(atPath: "\(run)/checkpoints")) ?? []
        return names.filter { $0.hasPrefix("step-") }.compactMap { Int($0.dropFirst(5)) }.sorted()
    }

    private func files(_ run: String, step: Int) throws -> [Data] {
        try ["model.safetensors", "optimizer.safetensors", "manifest.json"].map {
            try Data(contentsOf: URL(fileURLWithPath: String(format: "%@/checkpoints/step-%010d/%@", run, step, $0)))
        }
    }

    /// Only the run has to be given. Given options override stored ones, and forbidden changes are rejected by name.
    @Test func resumeUsesTheOptionsOfTheRun() throws {
        try withShards { path in
            let options = ["--steps", "12", "--virtual-ranks", "4", "--save-every", "3steps", "--seed", "5"]
            let whole = try crate(pretrainArguments(path, run: "whole", options), ranks: 2)
            try #require(whole.status == 0, "\(whole.errors)")
            // A checkpoint that is due while another is being written is skipped.
            let kept = steps("\(path)/whole")
            #expect(kept.last == 12 && kept.count <= 3 && kept.allSatisfy { $0 % 3 == 0 })
            let part = try crate(pretrainArguments(path, run: "part", options + ["--stop-after", "7"]), ranks: 2)
            try #require(part.status == 0, "\(part.errors)")
            let resumed = try crate(["pretrain", "--run", "\(path)/part", "--resume"], ranks: 4)
            try #require(resumed.status == 0, "\(resumed.errors)")
            #expect(resumed.output.contains("going on from") && resumed.output.contains("step-0000000007"))
            #expect(try files("\(path)/part", step: 12) == files("\(path)/whole", step: 12))
            for key in ["step", "loss", "grad_norm", "lr"] {
                #expect(try logged(key, "\(path)/part") == logged(key, "\(path)/whole"))
            }
            let other = try crate(["pretrain", "--run", "\(path)/part", "--resume", "--seed", "6"], ranks: 2)
            #expect(other.status == 1 && other.failureLines.count == 1)
            #expect(other.failureLines.first?.contains("seed was 5 and is now 6") == true)
            let longer = try crate(["pretrain", "--run", "\(path)/part", "--resume", "--steps", "14"], ranks: 2)
            #expect(longer.status == 0, "\(longer.errors)")
            #expect(longer.output.contains("steps was 12 and is now 14"))
            let shorter = try crate(["pretrain", "--run", "\(path)/part", "--resume", "--steps", "5"], ranks: 2)
            #expect(shorter.status == 1 && shorter.errors.contains("14 steps already"), "\(shorter.errors)")
        }
    }

    @Test func corruptCheckpointIsRenamedAndThePreviousOneUsed() throws {
        try withShards { path in
            let options = ["--steps", "6", "--save-every", "3steps"]
            try #require(try crate(pretrainArguments(path, run: "run", options)).status == 0)
            let expected = try files("\(path)/run", step: 6)
            let model = "\(path)/run/checkpoints/step-0000000006/model.safetensors"
            let handle = try #require(FileHandle(forWritingAtPath: model))
            try handle.seek(toOffset: 5000)
            try handle.write(contentsOf: Data([1, 2, 3, 4, 5]))
            try handle.close()
            let verified = try crate(["checkpoint", "verify", "\(path)/run"])
            #expect(verified.status == 1 && verified.output.contains("step-0000000003  sound"))
            #expect(verified.output.contains("model.safetensors is damaged"))
            let resumed = try crate(["pretrain", "--run", "\(path)/run", "--resume"])
            try #require(resumed.status == 0, "\(resumed.errors)")
            #expect(resumed.output.contains("warning: \(model) is damaged; it is now"))
            #expect(FileManager.default.fileExists(atPath: "\(path)/run/checkpoints/damaged-step-0000000006"))
            #expect(try files("\(path)/run", step: 6) == expected)
            let listed = try crate(["checkpoint", "list", "\(path)/run"])
            #expect(listed.output.split(separator: "\n").count == 2)
            let pruned = try crate(["checkpoint", "prune", "\(path)/run", "--keep", "1"])
            #expect(pruned.status == 0 && steps("\(path)/run") == [6])
        }
    }

    @Test func twoJobsCannotUseTheSameRun() throws {
        try withShards { path in
            let options = ["--steps", "1000000", "--save-every", "100000"]
            let first = try RunningCommand.crate(pretrainArguments(path, run: "run", options), ranks: 1)
            first.wait { FileManager.default.fileExists(atPath: "\(path)/run/log.jsonl") }
            let second = try crate(["pretrain", "--run", "\(path)/run", "--resume"])
            #expect(second.status == 1 && second.failureLines.count == 1)
            #expect(second.failureLines.first?.contains("another process uses \(path)/run") == true)
            #expect(second.output.contains("waiting up to 10 s"))
            try first.send(SIGTERM, toRank: 0, marker: "\(path)/run")
            #expect(try first.finish().status == 75)
        }
    }

    private static let canMount = getuid() == 0

    /// A file system of 10 MiB that is temporarily full or read-only.
    @Test(.enabled(if: canMount, "mounting a small file system needs root"), arguments: ["full", "read-only"])
    func temporaryDiskFailureDoesNotEndTheRun(how: String) throws {
        try withShards { path in
            let disk = "\(path)/disk"
            try FileManager.default.createDirectory(atPath: disk, withIntermediateDirectories: true)
            try #require(try run(["mount", "-t", "tmpfs", "-o", "size=10m", "tmpfs", disk]).status == 0)
            defer { _ = try? run(["umount", "-l", disk]) }
            let options = ["--dim", "96", "--steps", "1000000", "--save-every", "5steps", "--keep", "1"]
            let command = try RunningCommand.crate(
                pretrainArguments(path, run: "disk/run", options + ["--save-failures", "1000"]), ranks: 2)
            command.wait { !steps("\(disk)/run").isEmpty }
            if how == "full" {
                try Data().write(to: URL(fileURLWithPath: "\(disk)/filler"))
                let filler = try #require(FileHandle(forWritingAtPath: "\(disk)/filler"))
                command.wait {
                    while (try? filler.write(contentsOf: Data(count: 4096))) != nil {}
                    return command.output.contains("is not written (2 in a row)")
                }
                #expect(command.output.contains("No space left on device"))
                try filler.close()
            } else {
                try #require(try run(["mount", "--bind", disk, disk]).status == 0)
                // Refused while a file of a checkpoint is open for writing.
                command.wait { (try? run(["mount", "-o", "remount,bind,ro", disk]).status) == 0 }
                command.wait { command.output.contains("is not written (2 in a row)") }
            }
            let kept = steps("\(disk)/run")
            #expect(!kept.isEmpty, "the earlier checkpoint still exists")
            if how == "full" {
                try FileManager.default.removeItem(atPath: "\(disk)/filler")
            } else {
                try #require(try run(["umount", "-l", disk]).status == 0)
            }
            command.wait { steps("\(disk)/run").last ?? 0 > kept.last ?? 0 }
            try command.send(SIGTERM, toRank: 1, marker: "\(path)/disk/run")
            let result = try command.finish()
            #expect(result.status == 75, "\(result.errors)")
            #expect(try crate(["checkpoint", "verify", "\(disk)/run"]).status == 0)
            let logged = try logged("step", "\(disk)/run")
            try #require(!logged.isEmpty)
            #expect(logged == (1...logged.count).map(Double.init), "no line of the log is lost")
        }
    }

    @Test(.enabled(if: canMount, "mounting a small file system needs root"))
    func fullDiskEndsTheRunAndKeepsCheckpoints() throws {
        try withShards { path in
            let disk = "\(path)/disk"
            try FileManager.default.createDirectory(atPath: disk, withIntermediateDirectories: true)
            try #require(try run(["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", disk]).status == 0)
            defer { _ = try? run(["umount", "-l", disk]) }
            // There is room for one checkpoint but not for two.
            let result = try crate(
                pretrainArguments(
                    path, run: "disk/run",
                    ["--dim", "96", "--steps", "1000000", "--save-every", "5steps", "--save-failures", "2"]),
                ranks: 2)
            #expect(result.status == 1)
            #expect(result.output.contains("warning: 4 checkpoints of"), "reported before the first step")
            #expect(result.output.contains("is not written (1 in a row)"))
            #expect(result.failureLines.count == 1)
            #expect(result.failureLines.first?.contains("No space left on device") == true)
            #expect(steps("\(disk)/run") == [5])
            #expect(try crate(["checkpoint", "verify", "\(disk)/run"]).status == 0)
        }
    }

    @Test func supervisorRestartsAKilledRun() throws {
        try withShards { path in
            let options = ["--steps", "40", "--save-every", "4steps", "--virtual-ranks", "2"]
            try #require(try crate(pretrainArguments(path, run: "whole", options)).status == 0)
            var environment = ProcessInfo.processInfo.environment
            environment["OMPI_ALLOW_RUN_AS_ROOT"] = "1"
            environment["OMPI_ALLOW_RUN_AS_ROOT_CONFIRM"] = "1"
            environment["OMPI_MCA_mpi_yield_when_idle"] = "1"
            let command = try RunningCommand(
                [
                    "timeout", "100", "\(launch)/supervise", "--pause", "0.1", "mpirun", "--oversubscribe", "-n", "2",
                    program,
                ]
                    + pretrainArguments(path, run: "run", options), environment: environment)
            command.wait { steps("\(path)/run").contains { $0 >= 4 } }
            try command.send(SIGKILL, toRank: 1, marker: "\(path)/run")
            let result = try command.finish()
            #expect(result.status == 0, "\(result.errors)")
            #expect(try files("\(path)/run", step: 40) == files("\(path)/whole", step: 40))
            let incidents = try String(contentsOfFile: "\(path)/run/incidents.jsonl", encoding: .utf8)
            #expect(incidents.split(separator: "\n").count == 1 && incidents.contains("exit code"))
        }
    }

    private var launch: String { URL(fileURLWithPath: #filePath).deletingLastPathComponent().path + "/../../Launch" }

    /// A short version of the script that kills runs at random.
    @Test func killedRunsEndWithTheSameBytes() throws {
        let result = try run([
            "timeout", "300", "\(launch)/chaos", "--kills", "3", "--stops", "0", "--seed", "5", "--steps", "12",
        ])
        #expect(result.status == 0, "\(result.output) \(result.errors)")
        #expect(result.output.contains("3 of 3 runs ended as expected, with the same final bytes"))
    }

    /// A host that keeps failing is dropped, and a run without progress is given up.
    @Test func supervisorDropsAHostAndGivesUp() throws {
        try withTemporaryDirectory { path in
            let hosts = "\(path)/hosts"
            try Data("good slots=2\nbad slots=2\n".utf8).write(to: URL(fileURLWithPath: hosts))
            let failing =
                "echo 'mpirun noticed that process rank 1 with PID 0 on node bad exited on signal 9' >&2; exit 1"
            let result = try run([
                "\(launch)/supervise", "--pause", "0.01", "--attempts", "3", "--hostfile", hosts, "--drop-after", "2",
                "bash", "-c", failing, "x", "--run", "\(path)/run",
            ])
            #expect(result.status == 1)
            #expect(try String(contentsOfFile: hosts, encoding: .utf8) == "good slots=2\n")
            let incidents = try String(contentsOfFile: "\(path)/run/incidents.jsonl", encoding: .utf8)
            #expect(incidents.split(separator: "\n").count == 5, "three failures, the host, the end")
            #expect(incidents.contains("dropped host bad") && incidents.contains("gave up after 3 starts"))
        }
    }

    /// A checkpoint that cannot be read may be readable later or by another version: nothing is deleted.
    @Test func runWithoutReadableCheckpointsIsUnchanged() throws {
        try withShards { path in
            let options = ["--steps", "6", "--save-every", "3steps", "--stop-after", "3"]
            try #require(try crate(pretrainArguments(path, run: "run", options)).status == 0)
            let manifest = "\(path)/run/checkpoints/step-0000000003/manifest.json"
            let written = try Data(contentsOf: URL(fileURLWithPath: manifest))
            let log = try Data(contentsOf: URL(fileURLWithPath: "\(path)/run/log.jsonl"))
            try Data("{}".utf8).write(to: URL(fileURLWithPath: manifest))
            let refused = try crate(["pretrain", "--run", "\(path)/run", "--resume", "--stop-after", "6"])
            #expect(refused.status == 1 && refused.failureLines.count == 1, "\(refused.errors)")
            #expect(refused.errors.contains(manifest) && refused.errors.contains("or begin a new --run"))
            #expect(try Data(contentsOf: URL(fileURLWithPath: "\(path)/run/log.jsonl")) == log)
            try written.write(to: URL(fileURLWithPath: manifest))
            let resumed = try crate(["pretrain", "--run", "\(path)/run", "--resume", "--stop-after", "6"])
            #expect(resumed.status == 0 && steps("\(path)/run") == [3, 6], "\(resumed.errors)")
        }
    }
}
