import Foundation
import Testing

@Suite(.serialized) struct DistributionTests {
    private let files = ["model.safetensors", "optimizer.safetensors"]

    private func bytes(_ run: String, step: Int) throws -> [Data] {
        try files.map { name in
            try Data(
                contentsOf: URL(
                    fileURLWithPath: String(format: "%@/checkpoints/step-%010d/%@", run, step, name)))
        }
    }

    /// Eight virtual ranks, twelve steps with clipping: one rank, two and four write the same bytes.
    @Test(arguments: ["fp32", "bf16"])
    func anyNumberOfRanksGivesTheSameBits(precision: String) throws {
        try withShards { path in
            let options = ["--virtual-ranks", "8", "--steps", "12", "--precision", precision]
            for ranks in [1, 2, 4] {
                let result = try crate(pretrainArguments(path, run: "run\(ranks)", options), ranks: ranks)
                try #require(result.status == 0, "\(result.errors)")
            }
            let expected = try bytes("\(path)/run1", step: 12)
            for ranks in [2, 4] {
                #expect(try bytes("\(path)/run\(ranks)", step: 12) == expected, "\(ranks) ranks")
                #expect(try logged("loss", "\(path)/run\(ranks)") == logged("loss", "\(path)/run1"))
                #expect(try logged("grad_norm", "\(path)/run\(ranks)") == logged("grad_norm", "\(path)/run1"))
            }
            // Another cut of the batch rounds differently, or the test would see nothing.
            let other = try crate(
                pretrainArguments(
                    path, run: "other", ["--virtual-ranks", "2", "--steps", "12", "--precision", precision]),
                ranks: 2)
            try #require(other.status == 0, "\(other.errors)")
            #expect(try bytes("\(path)/other", step: 12) != expected)

            // Stopped on four ranks after a third of the way, gone on with two.
            try FileManager.default.copyItem(atPath: "\(path)/run4", toPath: "\(path)/moved")
            for step in [8, 12] {
                try FileManager.default.removeItem(
                    atPath: String(format: "%@/moved/checkpoints/step-%010d", path, step))
            }
            let moved = try crate(pretrainArguments(path, run: "moved", options + ["--resume"]), ranks: 2)
            try #require(moved.status == 0, "\(moved.errors)")
            #expect(moved.output.contains("step-0000000004"))
            #expect(try bytes("\(path)/moved", step: 12) == expected)
        }
    }

    /// Three ranks work, repeat themselves, and say that other numbers of ranks would not give their bits.
    @Test func aNumberOfRanksThatIsNoPowerOfTwoRepeatsItself() throws {
        try withShards(train: 48) { path in
            let options = ["--batch-size", "12", "--steps", "6"]
            for run in ["first", "second"] {
                let result = try crate(pretrainArguments(path, run: run, options), ranks: 3)
                try #require(result.status == 0, "\(result.errors)")
                #expect(result.output.contains("3 virtual ranks on 3 ranks: other numbers of ranks round differently"))
            }
            #expect(try bytes("\(path)/first", step: 6) == bytes("\(path)/second", step: 6))
            let alone = try crate(pretrainArguments(path, run: "alone", options))
            try #require(alone.status == 0, "\(alone.errors)")
            for (loss, expected) in zip(try logged("loss", "\(path)/first"), try logged("loss", "\(path)/alone")) {
                #expect(abs(loss - expected) <= 1e-5 * expected)
            }
        }
    }
}
