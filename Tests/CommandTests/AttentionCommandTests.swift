import Foundation
import TestSupport
import Testing

@Suite struct AttentionCommandTests {
    @Test func mapsAreDrawnForAnySizeAndErrorsReported() throws {
        try withTemporaryDirectory { path in
            let (images, shards, run) = ("\(path)/images", "\(path)/shards", "\(path)/run")
            #expect(try crate(["synthesize", images, "--images", "8", "--classes", "2"]).status == 0)
            #expect(try crate(["shard", images, shards, "--image-size", "32", "--patch-size", "8"]).status == 0)
            let trained = try crate(
                [
                    "pretrain", "--data", shards, "--run", run, "--dim", "16", "--depth", "2", "--heads", "2",
                    "--image-size", "32", "--patch-size", "8", "--batch-size", "4", "--steps", "1",
                ])
            #expect(trained.status == 0, "\(trained.errors)")
            let image = "\(images)/class-00/00000.jpg"
            let attention = ["attention", "--checkpoint", run]
            for (index, options) in [
                [], ["--layer", "1", "--heads", "2"], ["--image-size", "64"], ["--stride", "4"],
            ].enumerated() {
                let output = "\(path)/maps-\(index)"
                let result = try crate(attention + options + ["--output", output, image, image])
                #expect(result.status == 0, "\(result.errors)")
                #expect(try names(in: output) == ["1-00000.png", "2-00000.png"])
            }
            let colours = try crate(
                ["pca", "--checkpoint", run, "--output", "\(path)/colours", "--values", image, image], ranks: 2)
            #expect(colours.status == 0 && colours.output.contains("variance explained"), "\(colours.errors)")
            #expect(try names(in: "\(path)/colours") == ["1-00000.png", "2-00000.png", "values.safetensors"])
            let text = "\(path)/text.jpg"
            try Data("no image".utf8).write(to: URL(fileURLWithPath: text))
            for (options, problem) in [
                (["--layer", "3", image], "no layer 3"), (["--heads", "3", image], "no head 3"),
                ([image, text], "text.jpg"), (["--image-size", "36", image], "36"),
                (["--stride", "5", image], "stride of 1, 2, 3, 4, 6, 8"), (["--stride", "9", image], "9 apart"),
            ] {
                let output = "\(path)/none"
                let result = try crate(attention + ["--output", output] + options)
                #expect(result.status == 1)
                #expect(result.failureLines.count == 1)
                #expect(result.errors.contains(problem), "\(result.errors)")
                #expect(!FileManager.default.fileExists(atPath: output))
            }
        }
    }
}
