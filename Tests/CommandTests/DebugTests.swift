import Foundation
import TestSupport
import Testing

@Suite(.serialized) struct DebugTests {
    /// The lines of `output` without timings.
    private func account(_ output: String) -> [Substring] {
        output.split(separator: "\n").prefix { !$0.hasPrefix("4.") }.map { line in
            line.contains(/^ +\d+  \d/) ? line[..<(line.lastIndex(of: " ") ?? line.endIndex)] : line
        }
    }

    @Test func smallModelPassesWithoutOptions() throws {
        try withTemporaryDirectory { path in
            let arguments = ["pretrain", "--debug", "--run", "\(path)/run"]
            let first = try crate(arguments)
            #expect(first.status == 0, "\(first.errors)")
            #expect(first.output.hasSuffix("nothing is wrong\n"))
            #expect(account(first.output).count > 70)
            #expect(account(try crate(arguments).output) == account(first.output), "the same output twice")
            #expect(!FileManager.default.fileExists(atPath: "\(path)/run"), "nothing to dump")
        }
    }

    @Test func faultIsNamedAndDumped() throws {
        try withTemporaryDirectory { path in
            let result = try crate(
                ["pretrain", "--debug", "--run", path, "--depth", "1", "--dim", "16", "--heads", "2"],
                environment: ["CRATE_INJECT_FAULT": "nan:0:3"])
            #expect(result.status == 1)
            #expect(result.failureLines.count == 1)
            #expect(
                result.failureLines.first?.contains("gradient of cls_token holds 1 NaN") == true, "\(result.errors)")
            let dump = try Data(contentsOf: URL(fileURLWithPath: "\(path)/debug/gradient-of-cls-token.safetensors"))
            #expect(dump.count > 16 * 4 && dump.range(of: Data("[1,1,16]".utf8)) != nil)
        }
    }

    @Test func lossThatDoesNotFallIsReported() throws {
        try withTemporaryDirectory { path in
            let result = try crate(
                ["pretrain", "--debug", "--run", path, "--lr", "0", "--depth", "1", "--dim", "16", "--heads", "2"])
            #expect(result.status == 1)
            #expect(result.failureLines.first?.contains("the loss of a repeated batch") == true, "\(result.errors)")
            let ranks = try crate(["pretrain", "--debug", "--run", path], ranks: 2)
            #expect(ranks.status != 0)
            #expect(ranks.failureLines.count == 1 && ranks.failureLines[0].contains("--debug is for one process"))
        }
    }

    /// The newest checkpoint of a run, with the run's own data and options.
    @Test func existingRunIsExamined() throws {
        try withShards { path in
            let arguments = pretrainArguments(
                path, run: "run", ["--steps", "40", "--micro-batch", "2", "--precision", "bf16"])
            try #require(try crate(arguments).status == 0)
            let result = try crate(["pretrain", "--debug", "--resume", "--run", "\(path)/run"])
            #expect(result.status == 0, "\(result.errors)")
            #expect(result.output.contains("parameters of \(path)/run/checkpoints/step-0000000040"))
            let fresh = try crate(arguments + ["--debug"])
            #expect(fresh.output.contains("initial parameters"))
            func firstLoss(_ output: String) throws -> Double {
                let line = try #require(output.split(separator: "\n").first { $0.hasPrefix("      1  ") })
                return try #require(line.split(separator: " ").dropFirst().first.flatMap { Double($0) })
            }
            #expect(try firstLoss(result.output) < firstLoss(fresh.output) - 0.1)
            #expect(try logged("loss", "\(path)/run").count == 40, "the run is unchanged")
        }
    }

    /// The class token of a young run is small, and the norm behind it makes the loss curved over the length of a difference.
    @Test(arguments: [2, 4]) func gradientOfASmallTokenIsSound(heads: Int) throws {
        try withShards { path in
            for seed in ["0", "1", "2"] {
                let run = "\(path)/run\(seed)"
                let options = ["--steps", "2", "--dim", "16", "--heads", "\(heads)", "--seed", seed, "--run", run]
                try #require(try crate(pretrainArguments(path, run: "run", options)).status == 0)
                let result = try crate(["pretrain", "--debug", "--resume", "--run", run])
                #expect(!result.output.contains("WRONG"), "\(result.output)")
            }
        }
    }
}
