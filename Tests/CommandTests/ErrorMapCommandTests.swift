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

            // Compared with sound images, the scores are others.
            let compared = try succeed(maps + ["--output", "\(path)/d", "--reference", "\(path)/train"] + files)
            #expect(compared.split(separator: "\n").count == 32 && !compared.contains(lines[31]))

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

/// Images of other channels than three, from drawing to pictures.
@Suite struct DrawnBandsTests {
    @Test(arguments: [("cells", "1", 4, "1"), ("fields", "4", 5, "4,1,2")])
    func filesOf16BitsAreSharded(kind: String, channels: String, classes: Int, bands: String) throws {
        try withTemporaryDirectory { path in
            let size = ["--image-size", "32"]
            try succeed(["synthesize", "\(path)/images", "--kind", kind, "--images", "20"] + size)
            let shards = ["shard", "\(path)/images", "\(path)/shards", "--channels", channels, "--depth", "16"]
            let summary = try succeed(shards + ["--patch-size", "8"] + size)
            #expect(summary.hasPrefix("20 images of \(classes) classes"), "\(summary)")
            #expect(summary.contains(" 0 skipped"))
            try succeed(["verify", "\(path)/shards"])
            try succeed(
                [
                    "pretrain", "--data", "\(path)/shards", "--run", "\(path)/run", "--dim", "16", "--depth", "1",
                    "--heads", "2", "--patch-size", "8", "--batch-size", "4", "--steps", "2",
                ] + size)
            let pictures = ["reconstruct", "--checkpoint", "\(path)/run", "--bands", bands, "--data", "\(path)/shards"]
            try succeed(pictures + ["--output", "\(path)/a"])
            try succeed(pictures + ["--output", "\(path)/b", "--error-map", "--rounds", "1"])
            #expect(try FileManager.default.contentsOfDirectory(atPath: "\(path)/a").count == 8)
            #expect(try FileManager.default.contentsOfDirectory(atPath: "\(path)/b").count == 16)
        }
    }
}
