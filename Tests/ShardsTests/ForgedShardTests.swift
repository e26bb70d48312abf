import Base
import CHDF5
import Foundation
import HDF5
import Images
import Shards
import TestSupport
import Testing

@Suite struct ForgedShardTests {
    /// With CRATE_FUZZ_SECONDS for that long, otherwise 800 mutations.
    @Test func forgedShardsAreRefusedOrRead() async throws {
        let result = await #expect(processExitsWith: .success, observing: [\.standardOutputContent]) {
            try StructureFuzz.run(mutations: 800)
        }
        let text = String(decoding: result?.standardOutputContent ?? [], as: UTF8.self)
        #expect(text.contains("forged shards") && !text.contains("mutation "), "\(text)")
        print(text, terminator: "")
    }

    /// What libhdf5 can write and shards do not have. In a child process, since a libhdf5 may allow only one thread.
    @Test func whatIsNotSupportedIsNamed() async throws {
        let result = await #expect(processExitsWith: .success, observing: [\.standardOutputContent]) {
            try limitProcess(memory: 1 << 30, seconds: 60)
            try UnsupportedShards.run()
        }
        let lines = String(decoding: result?.standardOutputContent ?? [], as: UTF8.self).split(separator: "\n")
        try #require(lines.count == UnsupportedShards.Kind.allCases.count, "\(lines)")
        for (kind, line) in zip(UnsupportedShards.Kind.allCases, lines) {
            #expect(line.contains("shard-00000.h5") && line.contains(kind.problem), "\(kind): \(line)")
        }
    }

    /// The reads that opening a shard takes: a few, and one for about 60 samples.
    @Test func openingTakesTimeInProportionToTheSamples() throws {
        try withTemporaryDirectory { directory in
            let counts = [1000, 4000]
            let reads = try counts.map { count in
                try write(
                    (0..<count).flatMap { [UInt8(0)] + [UInt8](repeating: UInt8($0 % 251), count: 3072) },
                    to: "\(directory)/\(count)/data_batch_1.bin")
                try write(Array("airplane\n".utf8), to: "\(directory)/\(count)/batches.meta.txt")
                let out = "\(directory)/out\(count)"
                try Sharding.run(
                    source: ShardSource("\(directory)/\(count)"), output: out,
                    options: ShardingOptions(
                        .patches(PatchGrid(imageSize: 32, patchSize: 8)), shardSize: count))
                let index = try ShardIndex.load(directory: out)
                let reader = try ShardReader(directory: out, shard: 0, index: index)
                return reader.structureReads
            }
            #expect(reads[0] > 1000 / 64 && reads[0] < 1000 / 32 + 20, "\(reads)")
            #expect(reads[1] < 4000 / 32 + 20, "\(reads)")
        }
    }

    @Test func chunksOfOneByteAreRefused() throws {
        try withTemporaryDirectory { directory in
            _ = try makeSource(directory + "/in")
            try Sharding.run(
                source: ShardSource(directory + "/in"), output: directory + "/out",
                options: ShardingOptions(.jpeg(imageSize: 32, quality: 90)))
            let path = directory + "/out/shard-00000.h5"
            var bytes = [UInt8](try Data(contentsOf: URL(fileURLWithPath: path)))
            // The extents in the layout message: 1 MiB, of elements of one byte.
            let extents = try #require(bytes.firstRange(of: [0, 0, 0x10, 0, 1, 0, 0, 0]))
            bytes.replaceSubrange(extents.lowerBound..<extents.lowerBound + 4, with: [1, 0, 0, 0])
            try write(bytes, to: path)
            let checksum = Checksum(of: bytes).value
            try editShard(0, of: directory + "/out") {
                $0["structure"] = nil
                $0["checksum"] = checksum
            }
            var shards = try ShardDirectory(path: directory + "/out")
            let refused = try failure { _ = try shards.label(sample: 0) }
            #expect(refused.problem.contains("/bytes is not stored in large chunks"), "\(refused)")
        }
    }

    /// A FIFO, which nobody writes to, in place of a shard.
    @Test func fifoInPlaceOfAShardIsRefused() throws {
        try withTemporaryDirectory { directory in
            _ = try makeSource(directory + "/in")
            try shard(directory + "/in", to: directory + "/out")
            let path = directory + "/out/shard-00001.h5"
            let verifier = try ShardVerifier(path: directory + "/out")
            try FileManager.default.removeItem(atPath: path)
            try #require(mkfifo(path, 0o600) == 0)
            #expect(verifier.problems().contains { $0.description.contains("\(path) is not a regular file") })
            let missing = try failure { _ = try ShardDirectory(path: directory + "/out") }
            #expect(missing.problem == "\(path) is not a regular file")
            let index = try ShardIndex.read(directory: directory + "/out")
            let refused = try failure { _ = try ShardReader(directory: directory + "/out", shard: 1, index: index) }
            #expect(refused.problem.contains("\(path) is not a regular file"))
        }
    }
}
