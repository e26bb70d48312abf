import Foundation
import TestSupport
import Testing

/// The accuracy of nearest neighbours that `--knn-every` measures.
@Suite(.serialized) struct NeighbourTests {
    private let key = "validation_neighbours"

    /// The accuracy that `crate probe` finds for the run's newest checkpoint.
    private func probed(_ run: String, _ path: String) throws -> Double {
        let text = try succeed([
            "probe", "--checkpoint", run, "--train", "\(path)/train", "--validation", "\(path)/val", "--json",
        ])
        let probe = try JSONSerialization.jsonObject(with: Data(text.utf8)) as? [String: Any]
        let result = try #require(probe?["result"] as? [String: Any])
        let neighbours = try #require(result["neighbours"] as? [String: Int])
        return Double(try #require(neighbours["correct"])) / Double(try #require(neighbours["total"]))
    }

    /// The same on any number of ranks, threads and images of a pass, as by `crate probe`, after each epoch; the weights are
    /// those of a run that does not measure it.
    @Test func accuracyIsThatOfProbeOnAnyRanks() throws {
        try withShards(train: 64, validation: 45) { path in
            let plain = ["--epochs", "3", "--virtual-ranks", "4", "--validation", "\(path)/val"]
            let options = plain + ["--knn-every", "1", "--evaluate-every", "2"]
            _ = try succeed(pretrainArguments(path, run: "plain", plain), ranks: 2)
            for (ranks, more) in [(1, ["--threads", "2"]), (2, ["--micro-batch", "2"]), (4, ["--micro-batch", "1"])] {
                let run = "\(path)/run\(ranks)"
                let output = try succeed(pretrainArguments(path, run: "run\(ranks)", options + more), ranks: ranks)
                #expect(output.contains("nearest neighbours ") && output.contains("% after 12 steps"))
                #expect(try logged(key, run) == logged(key, "\(path)/run1"))
                #expect(try bytes(run, step: 12) == bytes("\(path)/plain", step: 12))
            }
            let accuracies = try logged(key, "\(path)/run1")
            try #require(accuracies.count == 4)
            #expect(try abs(probed("\(path)/run1", path) - accuracies[3]) < 1e-9)
            #expect(try logged(key, "\(path)/plain").isEmpty)

            // Before the first step the weights are those of the seed.
            let start = try succeed([
                "probe", "--checkpoint", "\(path)/run1", "--random", "0", "--train", "\(path)/train", "--validation",
                "\(path)/val",
            ])
            #expect(start.contains(String(format: "%.2f", 100 * accuracies[0])))
            let report = "\(path)/report.html"
            _ = try succeed(["report", "\(path)/run1", "--samples", "0", "--output", report])
            #expect(try String(contentsOfFile: report, encoding: .utf8).contains("data-chart=\"neighbours\""))
        }
    }

    @Test func classifiersAreMeasuredToo() throws {
        try withShards(train: 64, validation: 20) { path in
            let options = [
                "--dim", "48", "--depth", "2", "--heads", "3", "--image-size", "32", "--patch-size", "8",
                "--batch-size", "16", "--lr", "1e-3", "--epochs", "2", "--knn-every", "2", "--ema", "0.9",
            ]
            let shards = ["--data", "\(path)/train", "--validation", "\(path)/val"]
            _ = try succeed(["train", "--run", "\(path)/run"] + shards + options, ranks: 2)
            let accuracies = try logged(key, "\(path)/run")
            #expect(try accuracies.count == 2 && abs(probed("\(path)/run", path) - accuracies[1]) < 1e-9)
        }
    }

    @Test func missingLabelsAndOptionsAreRefused() throws {
        try withShards { path in
            let options = ["--steps", "2", "--knn-every"]
            let without = try crate(pretrainArguments(path, run: "x", options + ["1"]))
            #expect(without.status != 0 && without.errors.contains("give --validation"), "\(without.errors)")
            let zero = try crate(pretrainArguments(path, run: "x", options + ["0", "--validation", "\(path)/val"]))
            #expect(zero.status != 0 && zero.errors.contains("--knn-every takes a whole number from 1"))

            let (images, one) = ("\(path)/val-images", "\(path)/one-images")
            try FileManager.default.createDirectory(atPath: one, withIntermediateDirectories: true)
            let name = try #require(try names(in: images).first)
            try FileManager.default.copyItem(atPath: "\(images)/\(name)", toPath: "\(one)/\(name)")
            _ = try succeed(["shard", one, "\(path)/one", "--image-size", "40", "--patch-size", "8"])
            let shards = ["--data", "\(path)/one", "--validation"]
            let arguments = pretrainArguments(path, run: "x", options + ["1"] + shards)
            try refuse("one has one class, and nearest neighbours need two", arguments + ["\(path)/one"])
            try refuse("other classes", arguments + ["\(path)/val"])
            #expect(!FileManager.default.fileExists(atPath: "\(path)/x"))
        }
    }

    /// Images without labels: pretraining works, and what needs labels says so in one line.
    @Test func imagesWithoutLabels() throws {
        try withShards { path in
            let class0 = try #require(try names(in: "\(path)/train-images").first)
            let sharded = try succeed([
                "shard", "\(path)/train-images/\(class0)", "\(path)/bare", "--image-size", "40", "--patch-size", "8",
            ])
            #expect(sharded.contains("images without labels"), "\(sharded)")
            #expect(try succeed(["verify", "\(path)/bare"]).contains("without labels"))
            #expect(try succeed(["inspect", "\(path)/bare"]).contains("without a class"))
            let bare = ["--data", "\(path)/bare", "--validation", "\(path)/bare"]
            _ = try succeed(pretrainArguments(path, run: "run", ["--steps", "2"] + bare))
            try refuse(
                "bare has no classes", pretrainArguments(path, run: "x", ["--knn-every", "1", "--steps", "2"] + bare))
            let run = ["--run", "\(path)/x", "--steps", "2"] + bare
            try refuse("bare have no labels", ["train", "--image-size", "32", "--patch-size", "8"] + run)
            try refuse("bare have no labels", ["finetune", "--from", "\(path)/run"] + run)
            let shards = ["--train", "\(path)/bare", "--validation", "\(path)/bare"]
            try refuse("bare has no labels", ["probe", "--checkpoint", "\(path)/run"] + shards)
        }
    }
}
