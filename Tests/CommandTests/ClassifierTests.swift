import Foundation
import TestSupport
import Testing

/// `train` of a small classifier on the shards of `withShards`, with all random augmentations.
private func trainArguments(_ path: String, run: String, _ more: [String] = []) -> [String] {
    [
        "train", "--data", "\(path)/train", "--validation", "\(path)/val", "--run", "\(path)/\(run)", "--dim", "48",
        "--depth", "2", "--heads", "3", "--image-size", "32", "--patch-size", "8", "--batch-size", "16", "--lr",
        "5e-4", "--virtual-ranks", "4", "--rand-augment", "2", "--erasing", "0.25", "--mixup", "0.8", "--cutmix", "1",
    ] + more
}

private func finetuneArguments(_ path: String, from: String, run: String, _ more: [String] = []) -> [String] {
    [
        "finetune", "--from", "\(path)/\(from)", "--data", "\(path)/train", "--validation", "\(path)/val", "--run",
        "\(path)/\(run)", "--batch-size", "16", "--virtual-ranks", "4", "--lr", "1e-3",
    ] + more
}

@Suite(.serialized) struct ClassifierTests {
    @Test(arguments: [["--optimizer", "lion"], ["--optimizer", "adamw", "--precision", "bf16"]])
    func resultsDoNotDependOnTheNumberOfRanks(kind: [String]) throws {
        try withShards { path in
            let options = ["--steps", "8"] + kind
            for ranks in [1, 2, 4] {
                _ = try succeed(trainArguments(path, run: "run\(ranks)", options), ranks: ranks)
                #expect(try bytes("\(path)/run\(ranks)", step: 8) == bytes("\(path)/run1", step: 8), "\(ranks) ranks")
                for key in ["loss", "grad_norm", "validation_loss", "validation_top1", "validation_top5"] {
                    let values = try logged(key, "\(path)/run\(ranks)")
                    #expect(try !values.isEmpty && values == logged(key, "\(path)/run1"), "\(key)")
                }
            }
            // Stopped half-way on four ranks, continued on two: the same bytes as an uninterrupted run.
            _ = try succeed(trainArguments(path, run: "moved", options + ["--stop-after", "4"]), ranks: 4)
            let resumed = try succeed(["train", "--run", "\(path)/moved", "--resume"], ranks: 2)
            #expect(resumed.contains("going on from"))
            #expect(try bytes("\(path)/moved", step: 8) == bytes("\(path)/run1", step: 8))
            try refuse(
                "mixup was 0.8 and is now 0",
                ["train", "--run", "\(path)/moved", "--resume", "--mixup", "0"])
            // Different random draws of the augmentations give a different run.
            _ = try succeed(trainArguments(path, run: "other", options + ["--mixup", "0"]))
            #expect(try bytes("\(path)/other", step: 8) != bytes("\(path)/run1", step: 8))
        }
    }

    @Test func classifierLearnsAndEvaluationDoesNotDependOnRanks() throws {
        try withShards(train: 128, validation: 40) { path in
            let options = ["--steps", "100", "--evaluate-every", "100"]
            let plain = ["--rand-augment", "0", "--erasing", "0", "--mixup", "0", "--cutmix", "0"]
            let output = try succeed(trainArguments(path, run: "run", options + plain))
            let accuracy = try logged("validation_top1", "\(path)/run")
            try #require(accuracy.count == 2)
            // Four classes.
            #expect(accuracy[1] > 0.5 && accuracy[1] > accuracy[0])
            let arguments = ["evaluate", "--checkpoint", "\(path)/run", "--data", "\(path)/val"]
            let alone = try succeed(arguments)
            #expect(alone.contains("top-1 \(String(format: "%.2f", 100 * accuracy[1]))%, top-5 100.00%"))
            #expect(output.contains(try #require(alone.components(separatedBy: " over ").first)))
            for ranks in [2, 4] {
                #expect(try succeed(arguments, ranks: ranks).replacingOccurrences(of: "\r", with: "") == alone)
            }
        }
    }

    /// An encoder gets a new head, a classifier keeps its own, and a resumed run ends like an uninterrupted one.
    @Test func encodersAndClassifiersAreFineTuned() throws {
        try withShards { path in
            _ = try succeed(pretrainArguments(path, run: "encoder", ["--steps", "8"]))
            for (run, pooling) in [("mean", "mean"), ("class", "class")] {
                let options = ["--steps", "8", "--pooling", pooling]
                _ = try succeed(finetuneArguments(path, from: "encoder", run: run, options), ranks: 2)
                _ = try succeed(
                    finetuneArguments(path, from: "encoder", run: "stopped-\(run)", options + ["--stop-after", "4"]))
                _ = try succeed(["finetune", "--run", "\(path)/stopped-\(run)", "--resume"], ranks: 4)
                #expect(try bytes("\(path)/stopped-\(run)", step: 8) == bytes("\(path)/\(run)", step: 8))
            }
            // The classifier itself is the start of the next run.
            let last = try #require(try logged("validation_loss", "\(path)/mean").last)
            _ = try succeed(
                finetuneArguments(path, from: "mean", run: "again", ["--steps", "2", "--pooling", "mean"]))
            #expect(try logged("validation_loss", "\(path)/again").first == last)
            _ = try succeed(
                finetuneArguments(
                    path, from: "mean", run: "new", ["--steps", "2", "--pooling", "mean", "--new-head"]))
            #expect(try logged("validation_loss", "\(path)/new").first != last)
        }
    }

    @Test func inconsistentInputIsRejected() throws {
        try withShards { path in
            try succeedSharding(path, classes: 3, to: "three")
            let three = ["--data", "\(path)/three", "--validation", "\(path)/three"]
            try refuse(
                "has other classes", trainArguments(path, run: "a", ["--steps", "2", "--data", "\(path)/three"]))
            _ = try succeed(trainArguments(path, run: "four", ["--steps", "2"]))
            try refuse(
                "(3 and 4): label 3 means nothing in the former and class-03 in the latter; add --new-head",
                finetuneArguments(path, from: "four", run: "b", ["--steps", "2"] + three))
            _ = try succeed(finetuneArguments(path, from: "four", run: "b", ["--steps", "2", "--new-head"] + three))
            try refuse(
                "(3 and 4): label 3 means nothing in the former and class-03 in the latter; shard",
                ["evaluate", "--checkpoint", "\(path)/four", "--data", "\(path)/three"])
            try refuse(
                "pos_embedding",
                finetuneArguments(path, from: "four", run: "c", ["--steps", "2", "--image-size", "40"]))
            try refuse("no checkpoint", finetuneArguments(path, from: "val", run: "d", ["--steps", "2"]))
            try succeedSharding(path, classes: 1, to: "one")
            try refuse(
                "1 classes are outside 2", trainArguments(path, run: "e", ["--steps", "2", "--data", "\(path)/one"]))
            for run in ["a", "c", "d", "e"] {
                #expect(!FileManager.default.fileExists(atPath: "\(path)/\(run)"), "no files are left")
            }
        }
    }

    private func succeedSharding(_ path: String, classes: Int, to name: String) throws {
        _ = try succeed([
            "synthesize", "\(path)/\(name)-images", "--images", "32", "--classes", "\(classes)", "--image-size", "40",
        ])
        _ = try succeed([
            "shard", "\(path)/\(name)-images", "\(path)/\(name)", "--image-size", "40", "--patch-size", "8",
        ])
    }
}
