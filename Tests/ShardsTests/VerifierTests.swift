import Base
import Foundation
import Images
import Shards
import TestSupport
import Testing

/// Every kind of damage is found, named and repaired.
@Suite struct VerifierTests {
    /// Shards of nine images (4, 4, 1) in `out`, created from `in`, and a copy of them in `good`.
    private func withShards(
        _ format: SampleFormat? = nil, shuffle: UInt64? = nil, _ body: (String) throws -> Void
    ) throws {
        try withTemporaryDirectory { directory in
            _ = try makeSource(directory + "/in")
            var options = try smallOptions(shuffle: shuffle)
            if let format { options.format = format }
            try write([1], to: directory + "/in/ape/bad.png")
            try Sharding.run(source: ShardSource(directory + "/in"), output: directory + "/out", options: options)
            try FileManager.default.copyItem(atPath: directory + "/out", toPath: directory + "/good")
            try body(directory)
        }
    }

    private func problems(_ directory: String) throws -> [String] {
        try ShardVerifier(path: directory + "/out", jobs: 2).problems().map(\.description)
    }

    private func edit(_ path: String, _ change: (inout Data) throws -> Void) throws {
        var data = try Data(contentsOf: URL(fileURLWithPath: path))
        try change(&data)
        try data.write(to: URL(fileURLWithPath: path))
    }

    /// Flips a bit in the bytes of a sample.
    private func damage(_ directory: String, shard: Int, sample: Int) throws {
        let index = try ShardIndex.load(directory: directory + "/out")
        let file = try #require(index.shards.dropFirst(shard).first).file
        let bytes = try ShardReader(directory: directory + "/out", shard: shard, index: index).bytes(of: sample)
        try edit("\(directory)/out/\(file)") { data in
            let place = try #require(data.range(of: Data(bytes)))
            data[place.lowerBound + bytes.count / 2] ^= 4
        }
    }

    @Test(arguments: [nil, SampleFormat.jpeg(imageSize: 32, quality: 90), .originalJPEG(quality: 80)])
    func corruptShardsAreNamedAndRebuilt(format: SampleFormat?) throws {
        for shuffle in [nil, 5 as UInt64] {
            try withShards(format, shuffle: shuffle) { directory in
                #expect(try problems(directory).isEmpty)
                try damage(directory, shard: 0, sample: 2)
                try edit(directory + "/out/shard-00001.h5") { $0 = $0.dropLast(99) }
                try FileManager.default.removeItem(atPath: directory + "/out/shard-00002.h5")
                let verifier = try ShardVerifier(path: directory + "/out", jobs: 2)
                let found = verifier.problems()
                #expect(found.count == 4)
                for (shard, text) in [
                    (0, "shard-00000.h5 has the checksum"), (0, "sample 2 of \(directory)/out/shard-00000.h5"),
                    (1, "shard-00001.h5 has "), (2, "shard-00002.h5: No such file"),
                ] {
                    #expect(found.contains { $0.shard == shard && $0.description.contains(text) }, "\(found)")
                }
                let repaired = try verifier.repair(found, from: ShardSource(directory + "/in"))
                #expect(repaired == ["shard-00000.h5", "shard-00001.h5", "shard-00002.h5"])
                #expect(try haveSameFiles(directory + "/good", directory + "/out"))
            }
        }
    }

    /// Contradictions between the index and the files; the bytes of the shard are valid.
    static let contradictions: [(key: String, value: any Sendable, problem: String)] = [
        ("classes", ["ape", "bee"], "a label is not among the 2 classes"),
        ("classes", ["bee", "ape", "cow"], "is ape/0.png, but its label says bee"),
        ("mean", [0.5, 0.5, 0.5], "mean and std"), ("patchSize", 16, "/patches has shape"),
        ("imageSize", 16, "/patches has shape"),
    ]

    @Test(arguments: contradictions.indices) func inconsistentIndexIsNamed(number: Int) throws {
        let (key, value, problem) = VerifierTests.contradictions[number]
        try withShards { directory in
            try editIndex(of: directory + "/out") { $0[key] = value }
            let found = try problems(directory)
            #expect(found.contains { $0.contains(problem) }, "\(found)")
        }
    }

    @Test func wrongEntriesMissingListsAndUnknownFilesAreNamed() throws {
        try withShards { directory in
            try editShard(1, of: directory + "/out") { $0["checksum"] = 17 }
            try FileManager.default.removeItem(atPath: directory + "/out/skipped.txt")
            try write([1], to: directory + "/out/shard-00007.h5")
            let found = try problems(directory)
            #expect(found.count == 3)
            #expect(found.contains { $0.contains("shard-00001.h5 has the checksum") && $0.contains("17") })
            #expect(found.contains { $0.contains("skipped.txt lists 0 images, but 1 are left out") })
            #expect(found.contains { $0.contains("shard-00007.h5 is not in index.json") })
            // The entry cannot match any shard of this source, so the shard is left unchanged.
            let verifier = try ShardVerifier(path: directory + "/out")
            let failure = try failure {
                _ = try verifier.repair(verifier.problems(), from: ShardSource(directory + "/in"))
            }
            #expect(failure.problem.contains("another file than it was"))
            #expect(
                FileManager.default.contentsEqual(
                    atPath: directory + "/good/shard-00001.h5", andPath: directory + "/out/shard-00001.h5"))
            try FileManager.default.removeItem(atPath: directory + "/out/index.json")
            #expect(throws: Failure.self) { try ShardVerifier(path: directory + "/out") }
        }
    }

    @Test func differentSourceRepairsNothing() throws {
        try withShards { directory in
            try damage(directory, shard: 0, sample: 0)
            let verifier = try ShardVerifier(path: directory + "/out")
            let found = verifier.problems()
            try write([2], to: directory + "/in/bee/more.png")
            let other = try failure { _ = try verifier.repair(found, from: ShardSource(directory + "/in")) }
            #expect(other.problem.contains("is not the source of the shards"))
            try FileManager.default.removeItem(atPath: directory + "/in/bee/more.png")
            // The same names but a different image: the shard would not be the same.
            try write(
                PNGEncoder.encode(Drawing.image(number: 50, label: 1, side: 32, seed: 9)),
                to: directory + "/in/ape/0.png")
            let changed = try failure { _ = try verifier.repair(found, from: ShardSource(directory + "/in")) }
            #expect(changed.problem.contains("another file than it was"))
            #expect(try names(in: directory + "/out") == names(in: directory + "/good"))
        }
    }

    @Test func sheetShowsSamplesRowByRow() throws {
        try withTemporaryDirectory { directory in
            _ = try makeSource(directory + "/in")
            try shard(directory + "/in", to: directory + "/out")
            var shards = try ShardDirectory(path: directory + "/out")
            let (sheet, samples) = try shards.contactSheet(count: 5)
            #expect(samples == [0, 1, 3, 5, 7])
            try #require(sheet.width == 3 * 98 - 2 && sheet.height == 2 * 98 - 2)
            #expect(sheet.pixels[3 * 96] == 255, "a gap between two images")
            // 32 pixels become 96, three for one. In flat regions of the source, the centre pixel is unchanged.
            let (all, _) = try shards.contactSheet(count: 100)
            try #require(all.width == 292 && all.height == 292)
            let last = try image(8, of: &shards)
            let mean = last.reduce(0) { $0 + Double($1) } / Double(last.count)
            var sum = 0.0
            for row in 196..<292 {
                for value in 3 * (row * 292 + 196)..<3 * (row * 292 + 292) { sum += Double(all.pixels[value]) }
            }
            #expect(abs(sum / (96 * 96 * 3) - mean) < 2)
        }
    }
}
