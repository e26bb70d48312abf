import Base
import Foundation
import Shards
import TestSupport
import Testing

@Suite struct DamageTests {
    /// Shards nine images, then passes the directory to `body`.
    private func withShards(_ body: (String) throws -> Void) throws {
        try withTemporaryDirectory { directory in
            _ = try makeSource(directory + "/in")
            try shard(directory + "/in", to: directory + "/out")
            try body(directory + "/out")
        }
    }

    @Test func changedByteIsDetected() throws {
        try withShards { directory in
            // The patches of sample 5 (row 1 of the second shard), found in the file by their bytes.
            var intact = try ShardDirectory(path: directory)
            let (reader, row) = try intact.reader(of: 5)
            let patches = try reader.bytes(of: row)
            let path = directory + "/shard-00001.h5"
            var data = try Data(contentsOf: URL(fileURLWithPath: path))
            let place = try #require(data.range(of: Data(patches)))
            data[place.lowerBound + 1000] ^= 1
            try data.write(to: URL(fileURLWithPath: path))

            var shards = try ShardDirectory(path: directory)
            let failure = try failure { _ = try image(5, of: &shards) }
            #expect(failure.problem.contains("sample 1 of") && failure.problem.contains("shard-00001.h5"))
            #expect(failure.hint.contains("crate verify --repair"))
            // The other samples are still valid.
            #expect(try image(4, of: &shards).count == 3072)
        }
    }

    @Test func truncatedOrMissingShardIsDetectedAtOnce() throws {
        try withShards { directory in
            let path = directory + "/shard-00001.h5"
            let data = try Data(contentsOf: URL(fileURLWithPath: path))
            try data.dropLast(100).write(to: URL(fileURLWithPath: path))
            let short = try failure { _ = try ShardDirectory(path: directory) }
            #expect(short.problem.contains("shard-00001.h5") && short.problem.contains("bytes"))
            try FileManager.default.removeItem(atPath: path)
            let missing = try failure { _ = try ShardDirectory(path: directory) }
            #expect(missing.problem.contains("shard-00001.h5 is missing"))
        }
    }

    @Test func nonHDF5FileIsDetected() throws {
        try withShards { directory in
            let index = try ShardIndex.load(directory: directory)
            let path = directory + "/shard-00000.h5"
            let first = try #require(index.shards.first)
            try write([UInt8](repeating: 7, count: first.bytes), to: path)
            var shards = try ShardDirectory(path: directory)
            let damaged = try failure { _ = try shards.label(sample: 0) }
            #expect(damaged.problem.contains("shard-00000.h5 is damaged: wrong checksum"))
            // With a matching checksum, the file never was a shard.
            let checksum = try Data(contentsOf: URL(fileURLWithPath: path)).withUnsafeBytes { Checksum(of: $0).value }
            try editShard(0, of: directory) {
                $0["structure"] = nil
                $0["checksum"] = checksum
            }
            shards = try ShardDirectory(path: directory)
            let other = try failure { _ = try shards.label(sample: 0) }
            #expect(other.problem.contains("shard-00000.h5 as an HDF5 file"))
        }
    }

    /// A checksum covers every bit outside the samples, and is verified before the structure is read.
    @Test func changedByteOutsideTheSamplesIsDetected() throws {
        try withShards { directory in
            let index = try ShardIndex.load(directory: directory)
            let samples = try #require(index.shards.first?.structure).samples
            let path = directory + "/shard-00000.h5"
            let intact = try Data(contentsOf: URL(fileURLWithPath: path))
            try #require(samples.count >= 2 && samples.count % 2 == 0 && samples == samples.sorted())
            #expect(intact.count - samples[samples.count - 1] > 0)
            for position in stride(from: 3, to: intact.count, by: 601) {
                let pieces = stride(from: 0, to: samples.count, by: 2).map { samples[$0]..<samples[$0 + 1] }
                guard !pieces.contains(where: { $0.contains(position) }) else { continue }
                var data = intact
                data[position] ^= 0x10
                try data.write(to: URL(fileURLWithPath: path))
                var shards = try ShardDirectory(path: directory)
                let failure = try failure { _ = try shards.label(sample: 0) }
                #expect(failure.problem.contains("structure of \(path) is damaged"))
                #expect(try shards.label(sample: 4) == 1, "the other shards are still valid")
            }
        }
    }

    @Test func shapesThatDifferFromTheIndexAreDetected() throws {
        try withShards { directory in
            try editIndex(of: directory) { $0["patchSize"] = 16 }
            var shards = try ShardDirectory(path: directory)
            let failure = try failure { _ = try shards.label(sample: 0) }
            #expect(failure.problem.contains("/patches has shape [4, 16, 192] and should have [4, 4, 768]"))
        }
    }

    @Test func labelsOutOfRangeAreDetected() throws {
        try withShards { directory in
            try editIndex(of: directory) { $0["classes"] = ["ape", "bee"] }
            var shards = try ShardDirectory(path: directory)
            #expect(try shards.label(sample: 0) == 0)
            let failure = try failure { _ = try shards.label(sample: 8) }
            #expect(failure.problem.contains("label"))
        }
    }

    /// The change to the index, and a word in the error message.
    static let contradictions: [(key: String, value: any Sendable, word: String)] = [
        ("formatVersion", 3, "version 3"), ("encoding", "webp", "encoding"), ("patchSize", 7, "divide"),
        ("patchSize", 0, "divide"), ("imageSize", 8192, "not in"), ("imageSize", -32, "not in"), ("total", 8, "total"),
        ("mean", [0.5], "value for each channel"), ("std", [0.5, 0.5, 7.0], "0...1"),
        ("classes", ["ape", "ape"], "same name"),
        ("shards", "none", "not a shard index"), ("shards", [Int](), "total"),
    ]

    @Test(arguments: contradictions.indices)
    func contradictoryIndexIsRejected(number: Int) throws {
        let (key, value, word) = DamageTests.contradictions[number]
        try withShards { directory in
            try editIndex(of: directory) { $0[key] = value }
            let failure = try failure { _ = try ShardIndex.load(directory: directory) }
            #expect(failure.problem.contains(word) && failure.problem.contains("index.json"), "\(failure)")
        }
    }

    static let badEntries: [(key: String, value: any Sendable, word: String)] = [
        ("file", "../shard-00000.h5", "plain file name"), ("file", "", "plain file name"),
        ("file", ".h5", "plain file name"), ("file", "shard-00001.h5", "same file"), ("count", 0, "cannot hold"),
        ("count", -4, "-4 is not a count"), ("count", 1 << 40, "cannot hold"), ("count", 3, "total"),
        ("bytes", -1, "-1 is not a count"), ("count", 12_000_000_000_000_000, "is not a count"),
        ("bytes", 20_000, "should have"),
    ]

    @Test(arguments: badEntries.indices)
    func badShardEntryIsRejected(number: Int) throws {
        let (key, value, word) = DamageTests.badEntries[number]
        try withShards { directory in
            try editShard(0, of: directory) { $0[key] = value }
            let failure = try failure { _ = try ShardIndex.load(directory: directory) }
            #expect(failure.problem.contains(word), "\(failure)")
        }
    }

    @Test func directoryWithoutAnIndexIsIncomplete() throws {
        try withShards { directory in
            try write(Array("{".utf8), to: directory + "/index.json")
            let broken = try failure { _ = try ShardIndex.load(directory: directory) }
            #expect(broken.problem.contains("not a shard index"))
            try FileManager.default.removeItem(atPath: directory + "/index.json")
            let missing = try failure { _ = try ShardIndex.load(directory: directory) }
            #expect(missing.hint.contains("crate shard"))
        }
    }
}
