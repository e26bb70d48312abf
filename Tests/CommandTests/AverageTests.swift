import Foundation
import TestSupport
import Testing

/// The moving average of the weights that `--ema` keeps.
@Suite(.serialized) struct AverageTests {
    private func checkpoint(_ run: String, step: Int) -> String {
        String(format: "%@/checkpoints/step-%010d", run, step)
    }

    private func average(_ run: String, step: Int) throws -> Data {
        try Data(contentsOf: URL(fileURLWithPath: "\(checkpoint(run, step: step))/average.safetensors"))
    }

    /// The same bytes on any number of ranks and threads, stopped or not; and the weights of a run without an average.
    @Test func averageDoesNotDependOnRanksAndStops() throws {
        try withShards { path in
            let plain = ["--steps", "6", "--virtual-ranks", "4", "--validation", "\(path)/val"]
            let options = plain + ["--ema", "0.9"]
            _ = try succeed(pretrainArguments(path, run: "plain", plain), ranks: 2)
            for (ranks, threads) in [(1, 2), (2, 1), (4, 1)] {
                let run = "\(path)/run\(ranks)"
                _ = try succeed(
                    pretrainArguments(path, run: "run\(ranks)", options + ["--threads", "\(threads)"]), ranks: ranks)
                #expect(try bytes(run, step: 6) == bytes("\(path)/plain", step: 6))
                #expect(try average(run, step: 6) == average("\(path)/run1", step: 6))
                for key in ["validation_loss", "validation_loss_average"] {
                    #expect(try logged(key, run) == logged(key, "\(path)/run1"))
                }
            }
            #expect(try logged("validation_loss_average", "\(path)/plain").isEmpty)
            #expect(try logged("validation_loss_average", "\(path)/run1").count == 3)

            _ = try succeed(pretrainArguments(path, run: "stopped", options + ["--stop-after", "3"]), ranks: 4)
            let resume = ["pretrain", "--run", "\(path)/stopped", "--resume"]
            try refuse("ema was 0.9 and is now 0.99", resume + ["--ema", "0.99"])
            try refuse(
                "ema was absent and is now 0.9", ["pretrain", "--run", "\(path)/plain", "--resume", "--ema", "0.9"])
            _ = try succeed(resume, ranks: 2)
            #expect(try bytes("\(path)/stopped", step: 6) == bytes("\(path)/run1", step: 6))
            #expect(try average("\(path)/stopped", step: 6) == average("\(path)/run1", step: 6))
            #expect(try crate(["checkpoint", "verify", "\(path)/stopped"]).status == 0)
            for value in ["0", "1", "-0.5", "nan"] {
                let result = try crate(pretrainArguments(path, run: "x", ["--ema=\(value)"]))
                #expect(result.status != 0 && result.errors.contains("--ema takes a number between 0 and 1"))
            }
        }
    }

    /// a(t + 1) = d a(t) + (1 - d) w(t + 1) with d = min(decay, (1 + t) / (10 + t)), from the checkpoints of all steps.
    @Test func averageIsThatOfTheCheckpoints() throws {
        try withShards { path in
            let (steps, decay) = (5, 0.25)
            for step in 1...steps {
                let options = ["--steps", "\(steps)", "--ema", "\(decay)", "--keep", "0", "--stop-after", "\(step)"]
                _ = try succeed(
                    pretrainArguments(path, run: "run", options + (step > 1 ? ["--resume"] : [])), ranks: 2)
            }
            func values(_ name: String, _ step: Int) throws -> [Float] {
                let data = try Data(
                    contentsOf: URL(fileURLWithPath: "\(checkpoint("\(path)/run", step: step))/\(name).safetensors"))
                let start = 8 + data.prefix(8).enumerated().reduce(0) { $0 + Int($1.element) << (8 * $1.offset) }
                return data[start...].withUnsafeBytes { raw in
                    (0..<raw.count / 4).map { raw.loadUnaligned(fromByteOffset: 4 * $0, as: Float.self) }
                }
            }
            var average = try values("average", 1).map(Double.init)
            for step in 1..<steps {
                let kept = min(decay, Double(1 + step) / Double(10 + step))
                average = zip(average, try values("model", step + 1)).map { kept * $0 + (1 - kept) * Double($1) }
                let stored = try values("average", step + 1)
                #expect(zip(average, stored).allSatisfy { abs($0 - Double($1)) < 1e-6 })
                #expect(try stored != values("model", step + 1))
            }
        }
    }

    /// Whatever reads a checkpoint can read the average instead.
    @Test func commandsReadTheAverage() throws {
        try withShards { path in
            let run = "\(path)/run"
            let options = ["--steps", "6", "--ema", "0.9", "--validation", "\(path)/val"]
            _ = try succeed(pretrainArguments(path, run: "run", options), ranks: 2)
            func loss(_ checkpoint: String, _ more: [String] = []) throws -> String {
                let text = try succeed(["evaluate", "--checkpoint", checkpoint, "--data", "\(path)/val"] + more)
                return String(text.prefix { $0 != "," })
            }
            let expected = try ["validation_loss", "validation_loss_average"].map { key in
                String(format: "validation loss %.6f over 13 samples", try #require(try logged(key, run).last))
            }
            #expect(expected[0] != expected[1])
            #expect(try [loss(run), loss(run, ["--weights", "average"])] == expected)
            for command in ["export", "import"] {
                let to = command == "export" ? ["--output", "\(path)/out.safetensors"] : ["--run", "\(path)/imported"]
                let from = command == "export" ? ["--checkpoint", run] : [run]
                _ = try succeed([command] + from + to + ["--weights", "average"])
                #expect(try loss(to[1]) == expected[1])
            }
            // Imported weights have no average yet: it begins with them.
            _ = try succeed([
                "pretrain", "--run", "\(path)/imported", "--resume", "--data", "\(path)/train", "--validation",
                "\(path)/val", "--batch-size", "16", "--lr", "1e-3", "--steps", "2", "--ema", "0.9",
            ])
            let first = try ["validation_loss", "validation_loss_average"].map {
                try #require(try logged($0, "\(path)/imported").first)
            }
            #expect(first[0] == first[1])
            let measures = "\(path)/measures.json"
            _ = try succeed([
                "analyze", "--checkpoint", run, "--weights", "average", "--data", "\(path)/val", "--json", measures,
            ])
            #expect(try String(contentsOfFile: measures, encoding: .utf8).contains("/average.safetensors"))
            let file = ["--checkpoint", "\(path)/out.safetensors", "--data", "\(path)/val"]
            try refuse("is one file", ["evaluate", "--weights", "average"] + file)
        }
    }

    @Test func classifiersAreAveragedToo() throws {
        try withShards { path in
            let common = [
                "--data", "\(path)/train", "--validation", "\(path)/val", "--batch-size", "16", "--lr", "1e-3",
            ]
            let model = ["--dim", "48", "--depth", "2", "--heads", "3", "--image-size", "32", "--patch-size", "8"]
            let options = common + ["--steps", "4", "--virtual-ranks", "2"]
            _ = try succeed(["train", "--run", "\(path)/trained", "--ema", "0.5"] + model + options, ranks: 2)
            #expect(try logged("validation_top1_average", "\(path)/trained").count == 2)
            let finetune = ["finetune", "--from", "\(path)/trained", "--weights", "average", "--ema", "0.5"] + options
            _ = try succeed(finetune + ["--run", "\(path)/whole"], ranks: 2)
            let (before, after) = (
                try #require(try logged("validation_loss_average", "\(path)/trained").last),
                try #require(try logged("validation_loss", "\(path)/whole").first)
            )
            #expect(before == after)
            _ = try succeed(finetune + ["--run", "\(path)/part", "--stop-after", "2"])
            _ = try succeed(["finetune", "--run", "\(path)/part", "--resume"], ranks: 2)
            #expect(try average("\(path)/part", step: 4) == average("\(path)/whole", step: 4))
            #expect(try bytes("\(path)/part", step: 4) == bytes("\(path)/whole", step: 4))
            _ = try succeed(["train", "--run", "\(path)/plain"] + model + common + ["--steps", "1"])
            try refuse(
                "holds no average of the weights",
                finetune + ["--run", "\(path)/other", "--from", "\(path)/plain"])
        }
    }
}
