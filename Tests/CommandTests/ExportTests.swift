import Foundation
import Testing

/// Export of a run and import into another one, without PyTorch.
@Suite struct ExportTests {
    @Test func exportEqualsTheCheckpointAndCanBeImported() throws {
        try withShards { path in
            let run = "\(path)/run"
            let pretrained = try crate(pretrainArguments(path, run: "run", ["--steps", "3"]))
            try #require(pretrained.status == 0, "\(pretrained.errors)")
            let exported = try crate(["export", "--checkpoint", run, "--output", "\(path)/out.safetensors"])
            #expect(exported.status == 0, "\(exported.errors)")
            let loss = try validationLoss(run, path)
            #expect(try validationLoss("\(path)/out.safetensors", path) == loss)

            // A run, a checkpoint and an export are imported in the same way.
            for (number, source) in [run, "\(run)/checkpoints/step-0000000003", "\(path)/out.safetensors"].enumerated()
            {
                let imported = try crate(["import", source, "--run", "\(path)/imported-\(number)"])
                #expect(imported.status == 0, "\(imported.errors)")
                #expect(try validationLoss("\(path)/imported-\(number)", path) == loss)
            }
            // The model options come from the import; evaluating step 0 evaluates the imported weights.
            let resumed = try crate([
                "pretrain", "--resume", "--run", "\(path)/imported-2", "--data", "\(path)/train", "--validation",
                "\(path)/val", "--batch-size", "16", "--steps", "2",
            ])
            #expect(resumed.status == 0, "\(resumed.errors)")
            #expect(
                try logged("validation_loss", "\(path)/imported-2").first.map { String(format: "%.6f", $0) } == loss)
            #expect(try logged("loss", "\(path)/imported-2").count == 2)
        }
    }

    /// A resume may use any recipe, but the weights expect the pixel normalisation they were trained with.
    @Test func differentNormalisationThanTheImportIsReported() throws {
        try withShards { path in
            let options = ["--steps", "1", "--normalise", "dataset"]
            try #require(try crate(pretrainArguments(path, run: "run", options)).status == 0)
            for (normalisation, isTold) in [("imagenet", true), ("dataset", false)] {
                let imported = "\(path)/\(normalisation)"
                try #require(try crate(["import", "\(path)/run", "--run", imported]).status == 0)
                let resumed = try crate([
                    "pretrain", "--resume", "--run", imported, "--data", "\(path)/train", "--batch-size", "16",
                    "--steps",
                    "1", "--normalise", normalisation,
                ])
                #expect(resumed.status == 0, "\(resumed.errors)")
                #expect(resumed.output.contains("were trained with pixels normalised") == isTold)
            }
        }
    }

    @Test func inconsistentInputIsRejectedInOneLine() throws {
        try withShards { path in
            let run = "\(path)/run"
            let pretrained = try crate(pretrainArguments(path, run: "run", ["--steps", "1"]))
            try #require(pretrained.status == 0, "\(pretrained.errors)")
            let (out, imported) = ("\(path)/out.safetensors", "\(path)/imported")
            for command in [
                ["export", "--checkpoint", run, "--output", out],
                ["import", out, "--run", imported, "--lambda", "0.1"],
            ] {
                let result = try crate(command)
                try #require(result.status == 0, "\(result.errors)")
            }
            func expectRefusal(_ arguments: [String], _ text: String) throws {
                let result = try crate(arguments)
                #expect(result.status == 1 && result.failureLines.count == 1, "\(result.errors)")
                #expect(result.errors.contains(text), "\(result.errors)")
            }
            try expectRefusal(["export", "--checkpoint", out, "--output", out], "is the file that is read")
            try expectRefusal(["export", "--checkpoint", run, "--output", out, "--classifier"], "no supervised model")
            try expectRefusal(["export", "--checkpoint", run, "--output", "\(path)/no/out"], "cannot create")
            try expectRefusal(["import", out, "--run", imported], "already")
            let encoder = "\(path)/encoder.safetensors"
            try #require(try crate(["export", "--checkpoint", run, "--output", encoder, "--encoder"]).status == 0)
            try expectRefusal(["evaluate", "--checkpoint", encoder, "--data", "\(path)/val"], "an encoder alone")
            // Weights for another size are imported, and training continues with them.
            let large = "\(path)/large"
            try #require(try crate(["import", out, "--run", large, "--image-size", "48"]).status == 0)
            let resumed = try crate([
                "pretrain", "--resume", "--run", large, "--data", "\(path)/train", "--batch-size", "16", "--steps", "1",
            ])
            #expect(resumed.status == 0, "\(resumed.errors)")
            try expectRefusal(["import", out, "--run", "\(path)/new", "--heads", "4"], "3 heads")
            try expectRefusal(["import", out, "--run", "\(path)/new", "--image-size", "33"], "multiple of patch size")
            try expectRefusal(["import", "\(path)/nothing", "--run", "\(path)/new"], "there is no")
            #expect(!FileManager.default.fileExists(atPath: "\(path)/new"))
            try expectRefusal(pretrainArguments(path, run: "imported", ["--steps", "2"]), "--resume")
            try expectRefusal(
                pretrainArguments(path, run: "imported", ["--steps", "2", "--lambda", "0.5", "--resume"]),
                "lambda was 0.1 and is now 0.5")
            // A corrupt import must not silently become a run from scratch.
            let model = URL(fileURLWithPath: "\(imported)/checkpoints/step-0000000000/model.safetensors")
            var bytes = try Data(contentsOf: model)
            try #require(bytes.count >= 5)
            bytes[bytes.count - 5] ^= 1
            try bytes.write(to: model)
            try expectRefusal(pretrainArguments(path, run: "imported", ["--steps", "2", "--resume"]), "is damaged")
        }
    }

    @Test(arguments: [[], ["--no-norm-pix"]]) func reconstructionLossEqualsEvaluationLoss(_ more: [String]) throws {
        try withShards { path in
            let pretrained = try crate(pretrainArguments(path, run: "run", ["--steps", "3"]))
            try #require(pretrained.status == 0, "\(pretrained.errors)")
            let imported = try crate(["import", "\(path)/run", "--run", "\(path)/other"] + more)
            try #require(imported.status == 0, "\(imported.errors)")
            let reconstruct = ["reconstruct", "--checkpoint", "\(path)/other", "--output"]
            let result = try crate(reconstruct + ["\(path)/pictures", "--data", "\(path)/val", "--samples", "100"])
            #expect(result.status == 0, "\(result.errors)")
            let loss = try validationLoss("\(path)/other", path)
            #expect(result.output.contains("mean of 13: loss \(loss), "), "\(result.output)")
            let names = try FileManager.default.contentsOfDirectory(atPath: "\(path)/pictures").sorted()
            try #require(names.count == 13 && names.first == "01-sample-0.png")
            // Width and height of a PNG: three images and two gaps of 2 pixels.
            let png = [UInt8](try Data(contentsOf: URL(fileURLWithPath: "\(path)/pictures/\(names[0])")))
            #expect(png.dropFirst(16).prefix(8) == [0, 0, 0, 100, 0, 0, 0, 32])

            let files = try crate(reconstruct + ["\(path)/files", "\(path)/pictures/\(names[0])"])
            #expect(files.status == 0, "\(files.errors)")
            let missing = try crate(reconstruct + ["\(path)/missing", "\(path)/none.jpg"])
            #expect(missing.status == 1 && missing.failureLines.count == 1, "\(missing.errors)")
            #expect(!FileManager.default.fileExists(atPath: "\(path)/missing"))
        }
    }
}

/// The loss printed by `crate evaluate`.
private func validationLoss(_ checkpoint: String, _ path: String) throws -> String {
    let result = try crate(["evaluate", "--checkpoint", checkpoint, "--data", "\(path)/val"])
    let words = result.output.split(separator: " ").map(String.init)
    return try #require(words.count > 2 ? words[2] : nil, "\(result.errors)")
}
