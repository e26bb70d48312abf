import Foundation
import Testing

/// What every architecture has to do, beside what the other tests show of CRATE.
@Suite struct ArchitectureTests {
    static let architectures = ["crate", "crate-alpha", "tost", "vit"]

    private func pretrain(_ path: String, _ run: String, _ architecture: String, _ more: [String]) -> [String] {
        let decoder =
            architecture == "vit" ? ["--decoder-dim", "32", "--decoder-depth", "1", "--decoder-heads", "2"] : []
        return pretrainArguments(path, run: run, ["--architecture", architecture] + decoder + more)
    }

    @Test(arguments: architectures, ["fp32", "bf16"])
    func bytesDoNotDependOnRanksThreadsAndStops(architecture: String, precision: String) throws {
        try withShards { path in
            let options = [
                "--steps", "6", "--virtual-ranks", "4", "--micro-batch", "2", "--precision", precision, "--drop-path",
                "0.3",
                "--ema", "0.9",
            ]
            for (ranks, threads) in [(1, 1), (2, 1), (4, 1), (1, 3)] {
                _ = try succeed(
                    pretrain(path, "run\(ranks)-\(threads)", architecture, options + ["--threads", "\(threads)"]),
                    ranks: ranks)
            }
            _ = try succeed(pretrain(path, "stopped", architecture, options + ["--stop-after", "3"]), ranks: 4)
            _ = try succeed(["pretrain", "--run", "\(path)/stopped", "--resume"], ranks: 2)
            let expected = try bytes("\(path)/run1-1", step: 6)
            for run in ["run2-1", "run4-1", "run1-3", "stopped"] {
                #expect(try bytes("\(path)/\(run)", step: 6) == expected, "\(run)")
            }
        }
    }

    @Test(arguments: architectures)
    func everyCommandTakesIt(architecture: String) throws {
        try withShards { path in
            let run = "\(path)/run"
            let more = [
                "--epochs", "2", "--validation", "\(path)/val", "--measure-images", "5", "--evaluate-every", "1",
            ]
            _ = try succeed(pretrain(path, "run", architecture, more), ranks: 2)
            let loss = try #require(try logged("validation_loss", run).last)
            let evaluated = try succeed(["evaluate", "--checkpoint", run, "--data", "\(path)/val"])
            #expect(evaluated.hasPrefix(String(format: "validation loss %.6f", loss)))

            let data = ["--data", "\(path)/val"]
            _ = try succeed(["features", "--checkpoint", run, "--output", "\(path)/features.h5"] + data)
            let probed = try succeed([
                "probe", "--checkpoint", run, "--train", "\(path)/train", "--validation", "\(path)/val", "--layers",
                "all",
            ])
            #expect(probed.contains("norm"))
            let analysed = try succeed(["analyze", "--checkpoint", run, "--json", "\(path)/layers.json"] + data)
            #expect(analysed.contains("coding_rate") && analysed.contains("sparsity"))
            let pictures = ["\(path)/images/class-00/00000.jpg"]
            _ = try succeed(["synthesize", "\(path)/images", "--images", "4", "--classes", "2"])
            for (command, folder) in [("attention", "maps"), ("pca", "colours"), ("reconstruct", "pictures")] {
                _ = try succeed([command, "--checkpoint", run, "--output", "\(path)/\(folder)"] + pictures)
            }
            _ = try succeed(["report", run, "--output", "\(path)/report.html"])

            let finetune = [
                "--data", "\(path)/train", "--validation", "\(path)/val", "--batch-size", "16", "--steps", "2",
            ]
            _ = try succeed(["finetune", "--from", run, "--run", "\(path)/finetuned", "--drop-path", "0.1"] + finetune)
            _ = try succeed(["train", "--run", "\(path)/trained"] + model(architecture) + finetune)
            for classifier in ["finetuned", "trained"] {
                let tested = try succeed(["evaluate", "--checkpoint", "\(path)/\(classifier)"] + data)
                #expect(tested.contains("top-1"))
            }
        }
    }

    private func model(_ architecture: String) -> [String] {
        [
            "--architecture", architecture, "--dim", "48", "--depth", "2", "--heads", "3", "--image-size", "32",
            "--patch-size", "8",
        ]
    }

    /// What a checkpoint of step 0 holds is what a run begins from.
    @Test(arguments: architectures)
    func exportIsImportedAndTrainedOn(architecture: String) throws {
        try withShards { path in
            _ = try succeed(pretrain(path, "run", architecture, ["--steps", "2"]))
            _ = try succeed(["export", "--checkpoint", "\(path)/run", "--output", "\(path)/out.safetensors"])
            _ = try succeed(["import", "\(path)/out.safetensors", "--run", "\(path)/imported"])
            _ = try succeed(["export", "--checkpoint", "\(path)/imported", "--output", "\(path)/again.safetensors"])
            func tensors(_ name: String) throws -> Data {
                let bytes = try Data(contentsOf: URL(fileURLWithPath: "\(path)/\(name).safetensors"))
                let header = bytes.prefix(8).withUnsafeBytes { Int($0.loadUnaligned(as: UInt64.self)) }
                return bytes.dropFirst(8 + header)
            }
            #expect(try tensors("out") == tensors("again"))
            let resume = ["pretrain", "--resume", "--run", "\(path)/imported", "--data", "\(path)/train"]
            _ = try succeed(resume + ["--batch-size", "16", "--steps", "1"])
        }
    }

    @Test func debugAndPlanAndBenchTakeEveryArchitecture() throws {
        for architecture in Self.architectures {
            let debugged = try crate(["pretrain", "--debug"] + model(architecture) + ["--batch-size", "2"])
            #expect(debugged.status == 0, "\(architecture): \(debugged.output) \(debugged.errors)")
            let planned = try succeed(
                ["plan"] + model(architecture) + [
                    "--images", "1000", "--epochs", "2", "--batch-size", "16", "--gflops", "50",
                ])
            #expect(planned.contains("activations"))
            let measured = try succeed(
                ["bench"] + model(architecture) + ["--batch-size", "4", "--steps", "1", "--json"])
            #expect(measured.contains("images_per_second"))
        }
    }

    @Test func impossibleModelsAreRefusedInOneLine() throws {
        try withShards { path in
            for (options, problem) in [
                (["--architecture", "vit", "--heads", "4", "--lambda", "0.1"], "ViT has no sparsity penalty"),
                (["--model", "huge"], "there is no huge CRATE"),
                (["--architecture", "tost", "--decoder-dim", "36"], "the decoder of ToST is as wide as its encoder"),
                (["--architecture", "vit", "--decoder-dim", "30", "--decoder-heads", "1"], "decoder width 30"),
                (["--drop-path", "1"], "--drop-path takes a number"),
            ] {
                let data = ["--data", "\(path)/train", "--image-size", "32", "--patch-size", "8", "--steps", "1"]
                let result = try crate(["pretrain", "--run", "\(path)/none"] + data + options)
                #expect(result.status != 0 && result.errors.contains(problem), "\(result.errors)")
            }
        }
    }
}
