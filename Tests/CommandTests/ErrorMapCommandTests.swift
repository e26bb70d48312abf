import Foundation
import TestSupport
import Testing

@Suite struct ErrorMapCommandTests {
    @Test func surfacesFromDrawingToAreas() throws {
        try withTemporaryDirectory { path in
            let (images, masks) = ("\(path)/images", "\(path)/masks")
            let size = ["--image-size", "32"]
            try succeed(["synthesize", images, "--kind", "defects", "--images", "75", "--masks", masks] + size)
            for part in ["train", "test"] {
                try succeed(["shard", images, "\(path)/\(part)", "--within", part, "--patch-size", "8"] + size)
            }
            try succeed(
                [
                    "pretrain", "--data", "\(path)/train", "--run", "\(path)/run", "--dim", "16", "--depth", "1",
                    "--heads",
                    "2", "--patch-size", "8", "--crop-area", "1", "--batch-size", "8", "--steps", "4",
                ] + size)
            let maps = ["reconstruct", "--error-map", "--checkpoint", "\(path)/run", "--masks", masks, "--rounds", "2"]
            let files = try FileManager.default.subpathsOfDirectory(atPath: "\(images)/test").sorted()
                .filter { $0.hasSuffix("png") }.map { "\(images)/test/\($0)" }
            try #require(files.count == 30)

            let output = try succeed(maps + ["--output", "\(path)/a"] + files)
            let lines = output.split(separator: "\n")
            try #require(lines.count == 32)
            #expect(lines[30].hasPrefix("area under the ROC curve of 30 images: 0."))
            #expect(lines[30].hasSuffix("15 images with an anomaly, 15 without"))
            #expect(lines[31].contains("95% interval"))
            let written = try FileManager.default.contentsOfDirectory(atPath: "\(path)/a").sorted()
            #expect(written.count == 60 && written.first?.hasSuffix(".npy") == true)
            let values = try Data(contentsOf: URL(fileURLWithPath: "\(path)/a/\(written[0])"))
            #expect(values.count == 128 + 4 * 32 * 32)

            // The same from shards, whose keys name the masks, on any number of ranks and of threads.
            let data = maps + ["--data", "\(path)/test", "--samples", "30"]
            let sharded = try succeed(data + ["--output", "\(path)/b"], ranks: 2)
            let again = try succeed(data + ["--output", "\(path)/c", "--threads", "2"])
            #expect(sharded.replacingOccurrences(of: "\(path)/b", with: "\(path)/c") == again)
            #expect(again.contains("15 images with an anomaly, 15 without"))
        }
    }

    @Test func refusesWhatIsMissing() throws {
        try withShards { path in
            try succeed(pretrainArguments(path, run: "run", ["--steps", "1"]))
            let maps = [
                "reconstruct", "--checkpoint", "\(path)/run", "--data", "\(path)/val", "--output", "\(path)/out",
            ]
            try refuse("not a directory", maps + ["--error-map", "--masks", "\(path)/none"])
            try refuse("no image has a mask", maps + ["--error-map", "--masks", "\(path)/val-images"])
            for options in [["--masks", path], ["--error-map", "--rounds", "0"]] {
                #expect(try crate(maps + options).status == 64)
            }
            try succeed(maps + ["--error-map", "--output", "\(path)/scores", "--rounds", "1"])
        }
    }
}
