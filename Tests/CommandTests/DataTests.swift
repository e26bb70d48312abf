import Foundation
import Testing

/// Handling of corrupt data, and pixel normalisation.
@Suite(.serialized) struct DataTests {
    private func damage(_ path: String) throws {
        // One bit flipped in a sample in the middle of the first shard of 40 samples; the second shard, of 24, is missing.
        let shard = URL(fileURLWithPath: "\(path)/train/shard-00000.h5")
        var bytes = try Data(contentsOf: shard)
        try #require(!bytes.isEmpty)
        bytes[bytes.count / 2] ^= 1
        try bytes.write(to: shard)
        try FileManager.default.removeItem(atPath: "\(path)/train/shard-00001.h5")
    }

    /// The same substitutes on any number of ranks, and the same bits of the losses.
    @Test func substitutesAreTheSameOnAnyNumberOfRanks() throws {
        try withShards { path in
            try damage(path)
            let stopped = try crate(pretrainArguments(path, run: "stopped", ["--epochs", "1"]), ranks: 2, seconds: 20)
            #expect(stopped.status != 0 && stopped.status != 124)
            #expect(stopped.failureLines.count == 1, "\(stopped.errors)")
            #expect(stopped.failureLines.first?.contains("shard-00001.h5 is missing") == true)

            let options = ["--epochs", "2", "--virtual-ranks", "4", "--on-corrupt", "substitute"]
            for ranks in [1, 2, 4] {
                let result = try crate(pretrainArguments(path, run: "run\(ranks)", options), ranks: ranks)
                #expect(result.status == 0, "\(result.errors)")
                #expect(result.output.contains("warning: \(path)/train/shard-00001.h5 is missing"))
                // 25 samples per epoch, each reported once by the rank that found it first.
                let told = result.errors.split(separator: "\n").filter { $0.contains("stands in for sample") }
                #expect(told.filter { $0.contains("shard-00000.h5 is damaged: wrong checksum") }.count >= 1)
                #expect(told.filter { $0.contains("shard-00001.h5 is missing") }.count >= 24)
                #expect(told.count <= 50 && (ranks > 1 || told.count == 25), "\(told.count)")
                #expect(try logged("substituted", "\(path)/run\(ranks)").reduce(0, +) == 50)
                #expect(try logged("loss", "\(path)/run\(ranks)") == logged("loss", "\(path)/run1"))
            }
            #expect(try logged("loss", "\(path)/run1").count == 8)
        }
    }

    /// The batch does not divide the epoch, so the checkpoint is in the middle of an epoch.
    @Test func runResumesInTheMiddleOfAnEpoch() throws {
        try withShards { path in
            let options = ["--batch-size", "24", "--virtual-ranks", "2", "--epochs", "3"]
            let whole = try crate(pretrainArguments(path, run: "whole", options), ranks: 2)
            try #require(whole.status == 0, "\(whole.errors)")
            let stopped = try crate(pretrainArguments(path, run: "stopped", options + ["--stop-after", "3"]), ranks: 2)
            try #require(stopped.status == 0, "\(stopped.errors)")
            let resumed = try crate(pretrainArguments(path, run: "stopped", options + ["--resume"]), ranks: 1)
            #expect(resumed.status == 0, "\(resumed.errors)")
            #expect(try logged("loss", "\(path)/stopped") == logged("loss", "\(path)/whole"))
            let model = "checkpoints/step-0000000008/model.safetensors"
            #expect(
                try Data(contentsOf: URL(fileURLWithPath: "\(path)/stopped/\(model)"))
                    == Data(contentsOf: URL(fileURLWithPath: "\(path)/whole/\(model)")))
        }
    }

    /// The statistics of the data are stored with the run and its models, and evaluation uses them.
    @Test func normalisationIsStoredWithTheRun() throws {
        try withShards { path in
            func pretrain(_ run: String, _ more: [String] = []) throws -> Double {
                let options = ["--epochs", "1", "--validation", "\(path)/val"] + more
                let result = try crate(pretrainArguments(path, run: run, options))
                #expect(result.status == 0, "\(result.errors)")
                return try #require(try logged("validation_loss", "\(path)/\(run)").last)
            }
            func json(_ file: String) throws -> [String: Any] {
                let data = try Data(contentsOf: URL(fileURLWithPath: "\(path)/\(file)"))
                return try #require(try JSONSerialization.jsonObject(with: data) as? [String: Any])
            }
            let loss = try pretrain("own", ["--normalise", "dataset"])
            #expect(try pretrain("imagenet") != loss)
            let stored = try #require(json("own/config.json")["resolved"] as? [String: String])
            // JSONSerialization would lose digits.
            struct Statistics: Decodable { let mean, std: [Double] }
            let index = try Data(contentsOf: URL(fileURLWithPath: "\(path)/train/index.json"))
            let statistics = try JSONDecoder().decode(Statistics.self, from: index)
            #expect(stored["pixel-mean"] == "\(statistics.mean)")
            #expect(stored["pixel-deviation"] == "\(statistics.std)")
            let evaluated = try crate(["evaluate", "--checkpoint", "\(path)/own", "--data", "\(path)/val"])
            #expect(evaluated.output.hasPrefix(String(format: "validation loss %.6f", loss)), "\(evaluated.output)")

            let refused = try crate(pretrainArguments(path, run: "own", ["--resume", "--normalise", "imagenet"]))
            #expect(refused.failureLines.first?.contains("pixel-mean was") == true, "\(refused.errors)")
        }
    }
}
