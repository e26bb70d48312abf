import Base
import Foundation
import Images
import Shards
import TestSupport
import Testing

/// Splitting and merging shards.
@Suite struct RearrangingTests {
    struct Sample: Hashable {
        let key: String
        let name: String?
        let bytes: [UInt8]
    }

    static func samples(_ path: String) throws -> [Sample] {
        var directory = try ShardDirectory(path: path)
        return try (0..<directory.count).map { sample in
            let (reader, row) = try directory.reader(of: sample)
            let label = reader.label(sample: row)
            return Sample(
                key: try reader.key(sample: row), name: label < 0 ? nil : directory.index.classes[label],
                bytes: try reader.bytes(of: row))
        }
    }

    private static func problems(_ path: String) throws -> [String] {
        try ShardVerifier(path: path, jobs: 2).problems().map(\.description)
    }

    /// A folder of `counts` images of each class, of eight patients, with names such as "p3_07.png".
    private static func makeFolder(_ path: String, _ counts: [String: Int], patients: Int = 8, seed: UInt64 = 1) throws
    {
        for (label, name) in counts.keys.sorted().enumerated() {
            for number in 0..<counts[name, default: 0] {
                let image = try Drawing.image(number: 100 * label + number, label: label % 10, side: 32, seed: seed)
                let file = "\(path)/\(name)/p\(number % patients)_\(zeroPadded(number, to: 2)).png"
                try write(PNGEncoder.encode(image), to: file)
            }
        }
    }

    private static func shard(
        _ source: String, _ output: String, _ format: SampleFormat? = nil, shuffle: UInt64? = nil
    ) throws {
        var options = try smallOptions(shuffle: shuffle)
        if let format { options.format = format }
        try Sharding.run(source: ShardSource(source), output: output, options: options)
    }

    static let formats: [SampleFormat?] = [nil, .jpeg(imageSize: 32, quality: 90), .original(.rgb)]

    @Test(arguments: formats) func splitAndMergedSamplesAreTheSame(format: SampleFormat?) throws {
        try withTemporaryDirectory { path in
            try Self.makeFolder("\(path)/in", ["ape": 20, "bee": 11, "cow": 1])
            try Self.shard("\(path)/in", "\(path)/all", format)
            let split = try ShardSplit(directory: "\(path)/all", fraction: 0.2, seed: 3)
            #expect(split.counts.map(\.name) == ["ape", "bee", "cow"])
            #expect(split.counts.map { [$0.training, $0.validation] } == [[16, 4], [9, 2], [1, 0]])
            var reported = 0
            let parts = try split.write(training: "\(path)/train", validation: "\(path)/val") { reported = $0 }
            #expect(parts.training.total == 26 && parts.validation.total == 6 && reported == 32)
            #expect(parts.training.shards.map(\.count) == [4, 4, 4, 4, 4, 4, 2])
            let (train, validation) = (try Self.samples("\(path)/train"), try Self.samples("\(path)/val"))
            let all = try Self.samples("\(path)/all")
            let isWhole = Set(train + validation) == Set(all) && train.count + validation.count == all.count
            #expect(isWhole)
            for part in ["train", "val"] { #expect(try Self.problems("\(path)/\(part)").isEmpty) }

            let (index, repeats) = try ShardMerge(["\(path)/train", "\(path)/val"]).write(to: "\(path)/merged")
            #expect(index.total == 32 && index.classes == ["ape", "bee", "cow"] && repeats.count == 0)
            #expect(try Self.problems("\(path)/merged").isEmpty)
            let isSame = try Set(Self.samples("\(path)/merged")) == Set(all)
            #expect(isSame)
            let whole = try ShardIndex.load(directory: "\(path)/all")
            let differences = zip(index.mean + index.std, whole.mean + whole.std).map { abs($0 - $1) }
            #expect(differences.count == 6 && differences.allSatisfy { $0 < 1e-9 }, "\(differences)")
        }
    }

    @Test func splitIsAFunctionOfKeysAndSeed() throws {
        try withTemporaryDirectory { path in
            try Self.makeFolder("\(path)/in", ["ape": 20, "bee": 20])
            try Self.shard("\(path)/in", "\(path)/plain")
            try Self.shard("\(path)/in", "\(path)/mixed", shuffle: 9)
            func validation(_ shards: String, _ seed: UInt64) throws -> Set<String> {
                let out = "\(path)/\(shards)-\(seed)-\(UUID())"
                _ = try ShardSplit(directory: "\(path)/\(shards)", fraction: 0.3, seed: seed)
                    .write(training: out + "-train", validation: out + "-val")
                return Set(try Self.samples(out + "-val").map(\.key))
            }
            let first = try validation("plain", 1)
            #expect(try first.count == 12 && first == validation("mixed", 1))
            #expect(try validation("plain", 2) != first)
            // Another class has no influence.
            try Self.makeFolder("\(path)/in", ["cow": 9])
            try Self.shard("\(path)/in", "\(path)/more")
            #expect(try validation("more", 1).filter { !$0.hasPrefix("cow") } == first)
        }
    }

    @Test func groupsStayTogether() throws {
        try withTemporaryDirectory { path in
            try Self.makeFolder("\(path)/in", ["ape": 40, "bee": 24], patients: 8)
            try Self.shard("\(path)/in", "\(path)/all")
            for seed in 0..<8 as Range<UInt64> {
                let split = try ShardSplit(
                    directory: "\(path)/all", fraction: 0.25, seed: seed, group: Regex("/(p[0-9]+)_"))
                // Eight patients with five apes and three bees each: two of them are a quarter.
                #expect(split.counts.map(\.validation) == [10, 6])
                _ = try split.write(training: "\(path)/t\(seed)", validation: "\(path)/v\(seed)")
                func patients(_ part: String) throws -> Set<Substring> {
                    Set(try Self.samples("\(path)/\(part)\(seed)").map { $0.key.split(separator: "/")[1].prefix(2) })
                }
                let (train, validation) = (try patients("t"), try patients("v"))
                #expect(validation.count == 2 && train.isDisjoint(with: validation) && train.count == 6)
            }
            let none = try failure {
                _ = try ShardSplit(directory: "\(path)/all", fraction: 0.25, seed: 0, group: Regex("q([0-9])"))
            }
            #expect(none.problem.contains("--group does not match the key ape/p0_00.png"))
            let single = try failure {
                _ = try ShardSplit(directory: "\(path)/all", fraction: 0.25, seed: 0, group: Regex("^(ape|bee)"))
            }
            #expect(single.problem.contains("no split has the class ape on both sides: its 40 samples are in groups"))
        }
    }

    @Test func badInputsAreRefusedAndNothingIsLeft() throws {
        try withTemporaryDirectory { path in
            try Self.makeFolder("\(path)/in", ["ape": 6, "bee": 6])
            try Self.shard("\(path)/in", "\(path)/all")
            let split = try ShardSplit(directory: "\(path)/all", fraction: 0.3, seed: 0)
            for (training, validation) in [
                ("\(path)/x", "\(path)/x"), ("\(path)/x", "\(path)/./x"), ("\(path)/x", "\(path)/x/y"),
                ("\(path)/all/x", "\(path)/y"), ("\(path)/x", "\(path)/all"), ("\(path)/x", "\(path)/in"),
            ] {
                _ = try failure { _ = try split.write(training: training, validation: validation) }
                #expect(try names(in: path) == ["all", "in"], "\(training) \(validation)")
                #expect(try Self.problems("\(path)/all").isEmpty)
            }
            // A damaged sample: neither part stays.
            let index = try ShardIndex.load(directory: "\(path)/all")
            let file = "\(path)/all/\(try #require(index.shards.last).file)"
            let bytes = try ShardReader(directory: "\(path)/all", shard: 2, index: index).bytes(of: 3)
            var data = try Data(contentsOf: URL(fileURLWithPath: file))
            data[try #require(data.range(of: Data(bytes))).lowerBound + 9] ^= 1
            try data.write(to: URL(fileURLWithPath: file))
            let damaged = try failure { _ = try split.write(training: "\(path)/x", validation: "\(path)/y") }
            #expect(damaged.problem.contains("sample 3 of \(file) is damaged"))
            _ = try failure { _ = try ShardExport(path: "\(path)/all", form: .folder, jobs: 2).write(to: "\(path)/x") }
            #expect(try names(in: path) == ["all", "in"])
        }
    }

    @Test func mergedClassesAreMatchedByName() throws {
        try withTemporaryDirectory { path in
            try Self.makeFolder("\(path)/one", ["bee": 3, "dog": 2], seed: 1)
            try Self.makeFolder("\(path)/two", ["ape": 4, "bee": 3, "cow": 1], seed: 2)
            // No classes.
            for number in 0..<2 {
                let image = try Drawing.image(number: number, label: 0, side: 32, seed: 5)
                try write(PNGEncoder.encode(image), to: "\(path)/three/\(number).png")
            }
            for name in ["one", "two", "three"] { try Self.shard("\(path)/\(name)", "\(path)/s-\(name)") }
            let inputs = ["one", "two", "three"].map { "\(path)/s-\($0)" }
            let merge = try ShardMerge(inputs)
            #expect(merge.classes == ["bee", "dog", "ape", "cow"])
            let (index, repeats) = try merge.write(to: "\(path)/all")
            #expect(index.total == 15)
            // Three bees have the key of one in the first directory, and other pixels.
            #expect(repeats.count == 3 && repeats.equalCount == 0 && repeats.example == "bee/p0_00.png")
            let isSame = try Self.samples("\(path)/all") == inputs.flatMap { try Self.samples($0) }
            #expect(isSame)
            #expect(try Self.problems("\(path)/all").isEmpty)
            try FileManager.default.copyItem(atPath: inputs[0], toPath: "\(path)/copy")
            let again = try ShardMerge([inputs[0], "\(path)/copy"]).write(to: "\(path)/twice")
            #expect(again.repeats.count == 5 && again.repeats.equalCount == 5)

            let twice = try failure { _ = try ShardMerge([inputs[0], inputs[1], "\(path)/./s-one"]) }
            #expect(twice.problem == "\(path)/./s-one is given twice")
            for format in [
                SampleFormat.patches(try PatchGrid(imageSize: 32, patchSize: 16)),
                .patches(try PatchGrid(imageSize: 16, patchSize: 8)), .jpeg(imageSize: 32, quality: 90),
                .original(.rgb),
            ] {
                let other = "\(path)/other-\(UUID())"
                try Self.shard("\(path)/one", other, format)
                let refused = try failure { _ = try ShardMerge([inputs[1], other]) }
                #expect(refused.problem.contains(inputs[1]) && refused.problem.contains(other), "\(refused)")
            }
            let inside = try failure { _ = try merge.write(to: "\(inputs[1])/all") }
            #expect(inside.problem.contains("lies inside"))
        }
    }
}
