import Base
import Foundation
import Images
import Shards
import TestSupport

/// Shards whose structure was changed, and all checksums computed again, as somebody would who forges one. Runs in a child process.
enum StructureFuzz {
    /// Makes `mutations` (see `fuzzIterations`) of small shards of patches and of JPEG files, and reads each in every way.
    ///
    /// Anything but a `Failure` of one line that names the directory, or data of the right size, ends the process.
    static func run(mutations: Int) throws {
        try limitFuzzing(memory: 1 << 30)
        try withTemporaryDirectory { directory in
            let wholes = try makeShards(directory)
            var (done, refused) = (0, 0)
            for number in fuzzIterations(mutations) {
                var generator = KeyedGenerator(seed: 11, .drawing, number)
                let path = "\(directory)/\(number)"
                try FileManager.default.copyItem(atPath: wholes[number % wholes.count], toPath: path)
                try forge(path, using: &generator)
                if try isRefused(path, number: number) { refused += 1 }
                try FileManager.default.removeItem(atPath: path)
                done += 1
            }
            print("of \(done) forged shards \(refused) were refused")
        }
    }

    /// Directories of one shard each: patches, and JPEG files.
    private static func makeShards(_ directory: String) throws -> [String] {
        _ = try makeSource("\(directory)/source")
        let formats: [SampleFormat] = [
            .patches(try PatchGrid(imageSize: 32, patchSize: 8)), .jpeg(imageSize: 32, quality: 90),
        ]
        return try formats.enumerated().map { number, format in
            let path = "\(directory)/whole\(number)"
            try Sharding.run(
                source: ShardSource("\(directory)/source"), output: path, options: ShardingOptions(format))
            return path
        }
    }

    /// Changes the shard in `path` outside of its samples, and then the index, so that it describes the shard.
    private static func forge(_ path: String, using generator: inout KeyedGenerator) throws {
        let file = "\(path)/shard-00000.h5"
        var bytes = [UInt8](try Data(contentsOf: URL(fileURLWithPath: file)))
        var samples = try ShardIndex.load(directory: path).shards[0].structure?.samples ?? []
        let words = structureWords(bytes, outside: samples)
        for _ in 0...generator.index(below: 3) { change(&bytes, words, using: &generator) }
        if generator.index(below: 8) == 0 { bytes.removeLast(1 + generator.index(below: bytes.count - 1)) }
        if generator.index(below: 8) == 0 { setSize(&bytes) }
        samples = samples.map { min($0, bytes.count) }
        try write(bytes, to: file)
        var rest = Checksum()
        bytes.withUnsafeBytes { all in
            let bounds = [0] + samples + [all.count]
            for piece in stride(from: 0, to: bounds.count, by: 2) {
                rest.update(UnsafeRawBufferPointer(rebasing: all[bounds[piece]..<bounds[piece + 1]]))
            }
        }
        let checksums = (whole: Checksum(of: bytes).value, rest: rest.value)
        try editShard(0, of: path) {
            $0["bytes"] = bytes.count
            $0["checksum"] = checksums.whole
            $0["structure"] = ["samples": samples, "checksum": checksums.rest] as [String: Any]
        }
    }

    /// The positions outside of samples at which a word begins that is not zero; others too, but most of them are never read.
    private static func structureWords(_ bytes: [UInt8], outside samples: [Int]) -> [Int] {
        let pieces = stride(from: 0, to: samples.count, by: 2).map { samples[$0]..<samples[$0 + 1] }
        return stride(from: 0, to: bytes.count - 8, by: 8).filter { place in
            !pieces.contains { $0.overlaps(place..<place + 8) }
                && (bytes[place..<place + 8].contains { $0 != 0 } || place % 128 == 0)
        }
    }

    private static func change(_ bytes: inout [UInt8], _ words: [Int], using generator: inout KeyedGenerator) {
        let (one, other) = (words[generator.index(below: words.count)], words[generator.index(below: words.count)])
        guard max(one, other) + 8 <= bytes.count else { return }
        func word(_ value: UInt64) -> [UInt8] { withUnsafeBytes(of: value.littleEndian) { Array($0) } }
        switch generator.index(below: 6) {
        case 0: bytes[one + generator.index(below: 8)] ^= 1 << UInt8(generator.index(below: 8))
        case 1: bytes[one + generator.index(below: 8)] = UInt8(truncatingIfNeeded: generator.next())
        case 2:
            // Another place, or an end, of the file.
            let places = [other, bytes.count, bytes.count - 8, bytes.count + 8, one, 0]
            bytes.replaceSubrange(one..<one + 8, with: word(UInt64(places[generator.index(below: places.count)])))
        case 3:
            let values: [UInt64] = [.max, 1 << 63, 1 << 62, 1 << 48, 1 << 47, 1 << 32, (1 << 32) - 1, 1 << 16, 1]
            bytes.replaceSubrange(one..<one + 8, with: word(values[generator.index(below: values.count)]))
        case 4:
            // A pointer in place of another.
            for byte in 0..<8 { bytes.swapAt(one + byte, other + byte) }
        default:
            let count = min(64, bytes.count - max(one, other))
            bytes.replaceSubrange(one..<one + count, with: Array(bytes[other..<other + count]))
        }
    }

    /// Makes the superblock say the size that the file has.
    private static func setSize(_ bytes: inout [UInt8]) {
        guard bytes.count >= 48 else { return }
        bytes.replaceSubrange(40..<48, with: withUnsafeBytes(of: UInt64(bytes.count).littleEndian) { Array($0) })
    }

    /// Reads all of `path` as `verify` and training do.
    private static func isRefused(_ path: String, number: Int) throws -> Bool {
        var problems: [String] = []
        do {
            problems = try ShardVerifier(path: path, jobs: 1).problems().map(\.description)
            _ = try ShardFuzz.Contents(path)
        } catch let failure as Failure {
            problems.append(failure.problem)
        }
        for problem in problems where !problem.contains(path) || problem.contains("\n") {
            print("mutation \(number): \(problem)")
        }
        return !problems.isEmpty
    }
}
