import Foundation
import Kernels
import TestSupport
import Testing

@Suite(.serialized) struct PretrainTests {
    @Test func lossDoesNotDependOnRanksAndThreads() throws {
        try withShards { path in
            for ranks in [1, 2, 4] {
                let result = try crate(
                    pretrainArguments(path, run: "run\(ranks)", ["--steps", "10", "--micro-batch", "2"]),
                    ranks: ranks)
                #expect(result.status == 0, "\(result.errors)")
            }
            let threaded = try crate(
                pretrainArguments(path, run: "run-threads", ["--steps", "10", "--threads", "2"]), ranks: 2)
            #expect(threaded.status == 0, "\(threaded.errors)")
            let reference = try logged("loss", "\(path)/run1")
            try #require(reference.count == 10)
            for run in ["run2", "run4", "run-threads"] {
                let losses = try logged("loss", "\(path)/\(run)")
                try #require(losses.count == 10)
                for (loss, expected) in zip(losses, reference) {
                    #expect(abs(loss - expected) <= 1e-5 * expected, "\(run)")
                }
            }
        }
    }

    @Test func trainingLearns() throws {
        try withShards { path in
            let result = try crate(
                pretrainArguments(
                    path, run: "run", ["--steps", "80", "--evaluate-every", "100", "--validation", "\(path)/val"]))
            #expect(result.status == 0, "\(result.errors)")
            let validation = try logged("validation_loss", "\(path)/run")
            try #require(validation.count == 2)
            // A constant prediction, which is learnt first, gives 0.995.
            #expect(validation[0] > 1.1)
            #expect(validation[1] < 0.95)
        }
    }

    /// The same losses as in fp32 up to the rounding of factors, on any number of ranks.
    @Test func bf16TrainsLikeFp32() throws {
        try withShards { path in
            for (run, ranks, precision) in [("fp32", 1, "fp32"), ("bf16", 1, "bf16"), ("bf16-2", 2, "bf16")] {
                let result = try crate(
                    pretrainArguments(path, run: run, ["--steps", "20", "--precision", precision]), ranks: ranks)
                #expect(result.status == 0, "\(result.errors)")
                #expect(result.failureLines.isEmpty)
                let warnings = result.errors.split(separator: "\n").filter { $0.contains("no bf16 products") }
                #expect(warnings.count <= (precision == "bf16" ? 1 : 0), "one rank warns")
            }
            let losses = try ["fp32", "bf16", "bf16-2"].map { try logged("loss", "\(path)/\($0)") }
            try #require(losses.allSatisfy { $0.count == 20 })
            for step in 0..<20 {
                #expect(abs(losses[1][step] / losses[0][step] - 1) < 1e-2)
                #expect(abs(losses[2][step] / losses[1][step] - 1) < 1e-3)
            }
            #expect(losses[0] != losses[1])
        }
    }

    @Test(arguments: ["fp32", "bf16"])
    func resumedRunEqualsAnUninterruptedRun(precision: String) throws {
        try withShards { path in
            let options = ["--epochs", "3", "--validation", "\(path)/val", "--precision", precision]
            let whole = try crate(pretrainArguments(path, run: "whole", options), ranks: 2)
            try #require(whole.status == 0, "\(whole.errors)")
            // The state after the second of three epochs: no later checkpoint, and a log that is ahead.
            try FileManager.default.copyItem(atPath: "\(path)/whole", toPath: "\(path)/stopped")
            try FileManager.default.removeItem(atPath: "\(path)/stopped/checkpoints/step-0000000012")
            let refused = try crate(pretrainArguments(path, run: "stopped", options), ranks: 2)
            #expect(refused.status != 0 && refused.failureLines.first?.contains("--resume") == true)
            let other = try crate(
                pretrainArguments(path, run: "stopped", options + ["--resume", "--seed", "5"]), ranks: 2)
            #expect(other.status != 0 && other.failureLines.first?.contains("seed was 0 and is now 5") == true)
            let resumed = try crate(pretrainArguments(path, run: "stopped", options + ["--resume"]), ranks: 2)
            #expect(resumed.status == 0, "\(resumed.errors)")
            #expect(resumed.output.contains("going on from"))
            for file in ["model.safetensors", "optimizer.safetensors", "manifest.json"] {
                let name = "checkpoints/step-0000000012/\(file)"
                #expect(
                    try Data(contentsOf: URL(fileURLWithPath: "\(path)/stopped/\(name)"))
                        == Data(contentsOf: URL(fileURLWithPath: "\(path)/whole/\(name)")), "\(file)")
            }
            for key in ["step", "loss", "lr", "validation_loss"] {
                let values = try logged(key, "\(path)/stopped")
                #expect(try values == logged(key, "\(path)/whole"), "\(key)")
                #expect(!values.isEmpty)
            }
        }
    }

    @Test func evaluationDoesNotDependOnTheNumberOfRanks() throws {
        try withShards { path in
            let trained = try crate(
                pretrainArguments(path, run: "run", ["--epochs", "1", "--validation", "\(path)/val"]))
            try #require(trained.status == 0, "\(trained.errors)")
            let arguments = ["evaluate", "--checkpoint", "\(path)/run", "--data", "\(path)/val"]
            let alone = try crate(arguments).output
            let loss = try #require(try logged("validation_loss", "\(path)/run").last)
            #expect(alone.hasPrefix(String(format: "validation loss %.6f over 13 samples", loss)))
            for ranks in [1, 2, 4] {
                let result = try crate(arguments, ranks: ranks)
                #expect(result.output.replacingOccurrences(of: "\r", with: "") == alone, "\(ranks) ranks")
            }
        }
    }

    /// Foundation's functions for paths trap on them.
    @Test func pathsOfOneLetterAreTaken() throws {
        try withTemporaryDirectory { path in
            let shape = "--dim 16 --depth 1 --heads 1 --image-size 32 --patch-size 8 --batch-size 4"
            let script = """
                set -e; cd \(path)
                "$1" synthesize i --images 8 --classes 2 --masks m
                "$1" shard i s --image-size 32 --patch-size 8
                "$1" pretrain --data s --validation s --run r --steps 2 \(shape)
                "$1" pretrain --run r --resume --steps 3
                "$1" finetune --from r --data s --run t --steps 1 --batch-size 4
                "$1" checkpoint list r; "$1" verify s; "$1" inspect s
                "$1" evaluate --checkpoint r --data s
                "$1" features --checkpoint r --data s --output f
                "$1" analyze --checkpoint r --data s --json j --csv c
                "$1" export --checkpoint r --output e; "$1" import e --run n
                "$1" report r --output h; "$1" report r t --output g
                "$1" attention --checkpoint r --output a i/class-00/00000.jpg
                "$1" emergence --checkpoint r --images i --masks m
                """
            let result = try RunningCommand(
                ["bash", "-c", script, "bash", program],
                environment: ProcessInfo.processInfo.environment.merging(["OMPI_ALLOW_RUN_AS_ROOT": "1"]) { $1 }
            ).finish()
            #expect(result.status == 0, "\(result.output.suffix(300)) \(result.errors)")
        }
    }
}
