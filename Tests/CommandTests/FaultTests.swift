import Foundation
import Kernels
import Testing

/// Injected faults of ranks: the run ends, or continues, and the right rank is named.
@Suite(.serialized) struct FaultTests {
    /// A run of three ranks that continues until a fault is injected.
    private func startEndless(_ path: String, _ more: [String] = []) throws -> RunningCommand {
        let command = try RunningCommand.crate(
            pretrainArguments(
                path, run: "run", ["--batch-size", "12", "--steps", "1000000", "--save-every", "1000"] + more),
            ranks: 3, seconds: 60)
        let log = "\(path)/run/log.jsonl"
        command.wait { ((try? String(contentsOfFile: log, encoding: .utf8)) ?? "").split(separator: "\n").count > 3 }
        return command
    }

    @Test func rankWithDifferentConfigurationIsNamed() throws {
        try withShards { path in
            let result = try RunningCommand.crate(
                pretrainArguments(path, run: "run", ["--steps", "2"]), onRankOne: ["--weight-decay", "0.2"], ranks: 2
            ).finish()
            #expect(result.status == 1 && result.failureLines.count == 1, "\(result.errors)")
            #expect(result.errors.contains("rank 1 has weight-decay 0.2, rank 0 has 0.1"))
        }
    }

    @Test func flippedBitIsFoundAndItsRankNamed() throws {
        try withShards { path in
            let result = try crate(
                pretrainArguments(path, run: "run", ["--batch-size", "12", "--steps", "6", "--check-every", "2"]),
                ranks: 3, environment: ["CRATE_INJECT_FAULT": "flip:1:4"])
            #expect(result.status == 1)
            try #require(result.failureLines.count == 1)
            #expect(result.failureLines[0].contains("the parameters of rank 1 changed in memory during step 4"))
            #expect(!FileManager.default.fileExists(atPath: "\(path)/run/checkpoints/step-0000000004"))
        }
    }

    @Test func nonFiniteGradientStopsTheRunOrIsSkipped() throws {
        try withShards { path in
            let fault = ["CRATE_INJECT_FAULT": "nan:2:3"]
            let options = ["--batch-size", "12", "--steps", "6"]
            let stopped = try crate(pretrainArguments(path, run: "stopped", options), ranks: 3, environment: fault)
            #expect(stopped.status == 1)
            try #require(stopped.failureLines.count == 1)
            #expect(
                stopped.failureLines[0].contains("step 3 has loss") && stopped.failureLines[0].contains("from rank 2"))
            let skipped = try crate(
                pretrainArguments(path, run: "skipped", options + ["--on-non-finite", "skip"]), ranks: 3,
                environment: fault)
            #expect(skipped.status == 0, "\(skipped.errors)")
            let losses = try logged("loss", "\(path)/skipped")
            #expect(losses.count == 5 && losses.allSatisfy(\.isFinite))
            let refused = try crate(
                pretrainArguments(path, run: "refused", options + ["--on-non-finite", "skip", "--max-skips", "0"]),
                ranks: 3, environment: fault)
            #expect(refused.status == 1 && refused.failureLines.count == 1)
        }
    }

    @Test(arguments: [0, 1])
    func hangingRankIsNamed(rank: Int) throws {
        try withShards { path in
            let command = try startEndless(path, ["--stall-warning", "1", "--stall-abort", "3"])
            try command.send(SIGSTOP, toRank: rank, marker: "\(path)/run")
            let result = try command.finish()
            #expect(result.status != 0 && result.status != 124)
            let lines = result.errors.split(separator: "\n").filter { $0.contains("rank \(rank) has not arrived") }
            #expect(lines.contains { $0.contains("crate: warning") } && lines.contains { $0.contains("crate: error") })
            let others = result.errors.split(separator: "\n").filter {
                $0.contains("has not arrived") && !$0.contains("rank \(rank) has not arrived")
            }
            #expect(others.isEmpty, "\(others)")
        }
    }

    @Test func killedRankEndsTheJob() throws {
        try withShards { path in
            let command = try startEndless(path)
            try command.send(SIGKILL, toRank: 1, marker: "\(path)/run")
            let result = try command.finish()
            #expect(result.status != 0 && result.status != 124)
            #expect(result.errors.contains("process rank 1") && result.errors.contains("Killed"))
        }
    }

    /// With any of these signals on any rank, all ranks finish the step, save, and end with exit code 75.
    @Test(arguments: [(SIGTERM, 2), (SIGUSR1, 1), (SIGINT, 0)])
    func signalSavesAndEnds(signal: Int32, rank: Int) throws {
        try withShards { path in
            let command = try startEndless(path)
            try command.send(signal, toRank: rank, marker: "\(path)/run")
            let result = try command.finish()
            #expect(result.status == 75, "\(result.errors)")
            #expect(result.output.contains("go on with --resume"))
            let saved = try FileManager.default.contentsOfDirectory(atPath: "\(path)/run/checkpoints")
            #expect(saved.count == 1)
            let losses = try logged("loss", "\(path)/run")
            #expect(saved == [String(format: "step-%010d", losses.count)])
        }
    }

    @Test func timeLimitSavesAndEnds() throws {
        try withShards { path in
            let result = try crate(
                pretrainArguments(path, run: "run", ["--steps", "1000000", "--time-limit", "0.02"]), ranks: 2)
            #expect(result.status == 75, "\(result.errors)")
            #expect(try !FileManager.default.contentsOfDirectory(atPath: "\(path)/run/checkpoints").isEmpty)
        }
    }

    /// A much too large last step leaves finite parameters that give a non-finite loss, which JSON cannot represent.
    @Test func nonFiniteValidationLossIsReported() throws {
        try withShards { path in
            let result = try crate(
                pretrainArguments(path, run: "run", ["--validation", "\(path)/val", "--steps", "1"])
                    + ["--lr", "9e8", "--warmup-epochs", "0"])
            #expect(result.status == 0, "\(result.errors)")
            #expect(result.output.contains("nan after 1 steps"), "\(result.output)")
            #expect(try logged("validation_loss", "\(path)/run").count == 1)
        }
    }
}
