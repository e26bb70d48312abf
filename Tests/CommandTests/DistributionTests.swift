import Foundation
import Testing

@Suite(.serialized) struct DistributionTests {
    /// Eight virtual ranks, twelve steps with clipping: one, two and four ranks, and buckets of any size, write the same bytes.
    @Test(arguments: [["--precision", "fp32"], ["--precision", "bf16"], ["--wire", "bf16"]])
    func resultsDoNotDependOnTheNumberOfRanks(kind: [String]) throws {
        try withShards { path in
            let options = ["--virtual-ranks", "8", "--steps", "12"] + kind
            func pretrain(_ run: String, ranks: Int, _ more: [String] = []) throws -> String {
                let result = try crate(pretrainArguments(path, run: run, options + more), ranks: ranks)
                try #require(result.status == 0, "\(result.errors)")
                return result.output
            }
            _ = try pretrain("run1", ranks: 1)
            let expected = try bytes("\(path)/run1", step: 12)
            for (ranks, bucket) in [(2, "8"), (4, "0.05")] {
                let run = "run\(ranks)"
                _ = try pretrain(run, ranks: ranks, ["--bucket-mb", bucket])
                #expect(try bytes("\(path)/\(run)", step: 12) == expected, "\(ranks) ranks")
                #expect(try logged("loss", "\(path)/\(run)") == logged("loss", "\(path)/run1"))
                #expect(try logged("grad_norm", "\(path)/\(run)") == logged("grad_norm", "\(path)/run1"))
            }
            // A different division of the batch rounds differently; otherwise this test could not fail.
            _ = try pretrain("other", ranks: 2, ["--virtual-ranks", "2"])
            #expect(try bytes("\(path)/other", step: 12) != expected)

            // Stopped half-way on four ranks, continued on two.
            let stopped = try pretrain("moved", ranks: 4, ["--stop-after", "6"])
            #expect(stopped.contains("holds 6 steps of 12"))
            #expect(try pretrain("moved", ranks: 2, ["--resume"]).contains("step-0000000006"))
            #expect(try bytes("\(path)/moved", step: 12) == expected)
        }
    }

    /// Twelve steps with clipping write the same bytes on any number of threads, with micro-batches of any size, and with any
    /// instruction set in fp32.
    @Test func resultsDependOnNeitherThreadsNorMicroBatchNorInstructionSet() throws {
        try withShards { path in
            let options = ["--virtual-ranks", "2", "--steps", "12"]
            func bytesOf(
                _ run: String, ranks: Int, threads: Int, microBatch: Int = 4, kernels: String? = nil
            ) throws -> [Data] {
                let own = ["--threads", "\(threads)", "--micro-batch", "\(microBatch)"]
                let result = try crate(
                    pretrainArguments(path, run: run, options + own), ranks: ranks,
                    environment: kernels.map { ["CRATE_KERNELS": $0] } ?? [:])
                try #require(result.status == 0, "\(result.errors)")
                return try bytes("\(path)/\(run)", step: 12)
            }
            let expected = try bytesOf("threads1", ranks: 1, threads: 1)
            for threads in [2, 3, 5] {
                let own = try bytesOf("threads\(threads)", ranks: threads == 3 ? 2 : 1, threads: threads)
                #expect(own == expected, "\(threads) threads")
            }
            for microBatch in [1, 2, 8] {
                let own = try bytesOf("images\(microBatch)", ranks: 1, threads: 2, microBatch: microBatch)
                #expect(own == expected, "micro-batches of \(microBatch)")
            }
            // Of the sets that the processor does not have, the program takes its own.
            for kernels in ["avx2", "avx512"] {
                #expect(try bytesOf(kernels, ranks: 1, threads: 2, kernels: kernels) == expected, "\(kernels)")
            }
        }
    }

    /// OpenBLAS's products round differently, and are used again when the run is resumed.
    @Test func runsWithOpenBLASTrainAlike() throws {
        try withShards { path in
            let options = ["--virtual-ranks", "2", "--steps", "6", "--products"]
            for products in ["packed", "blas"] {
                let result = try crate(pretrainArguments(path, run: products, options + [products]))
                try #require(result.status == 0, "\(result.errors)")
            }
            for (loss, expected) in zip(try logged("loss", "\(path)/blas"), try logged("loss", "\(path)/packed")) {
                #expect(abs(loss - expected) <= 1e-5 * expected)
            }
            let whole = try bytes("\(path)/blas", step: 6)
            #expect(try bytes("\(path)/packed", step: 6) != whole)
            let part = try crate(pretrainArguments(path, run: "part", options + ["blas", "--stop-after", "3"]))
            try #require(part.status == 0, "\(part.errors)")
            let resumed = try crate(["pretrain", "--run", "\(path)/part", "--resume"])
            try #require(resumed.status == 0, "\(resumed.errors)")
            #expect(try bytes("\(path)/part", step: 6) == whole)
        }
    }

    /// Three ranks work, are reproducible, and report that other numbers of ranks give different bits.
    @Test func threeRanksAreReproducible() throws {
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
