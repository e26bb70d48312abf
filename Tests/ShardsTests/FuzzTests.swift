import Base
import Foundation
import Images
import Loader
import Shards
import TestSupport
import Testing

/// 1,000 seeded mutations of small shard directories, with patches and with JPEG. Each gives an error that names the file,
/// or substituted samples, or no visible change, with bounded memory and time.
@Suite struct FuzzTests {
    @Test func mutatedShardsAreHarmless() async throws {
        let result = await #expect(processExitsWith: .success, observing: [\.standardOutputContent]) {
            try ShardFuzz.run(mutations: 1000)
        }
        let text = String(decoding: result?.standardOutputContent ?? [], as: UTF8.self)
        #expect(text.contains("of 1000 mutated shard directories") && !text.contains("mutation "), "\(text)")
        print(text, terminator: "")
    }
}

/// Runs in the child process. A line that starts with "mutation" reports a failure.
enum ShardFuzz {
    /// The contents of a directory as a reader sees them.
    struct Contents: Equatable {
        let classes: [String]
        let statistics: [[Double]]
        let samples: [Sample]
        let labels: [Int]
        let keys: [String]

        /// Everything that can be read from `path`. Throws the first problem.
        init(_ path: String) throws {
            let index = try ShardIndex.load(directory: path)
            classes = index.classes
            statistics = [index.mean, index.std]
            samples = try BatchLoader(settings(path)).samples(0..<index.total, for: .evaluation).samples
            var shards = try ShardDirectory(path: path)
            labels = try (0..<shards.count).map { try shards.label(sample: $0) }
            // One sample of each shard; each opens the file again.
            keys = try stride(from: 0, to: shards.count, by: 4).map { try shards.key(sample: $0) }
        }
    }

    static func run(mutations: Int) throws {
        try limitProcess(memory: 1 << 30, seconds: 240)
        try withTemporaryDirectory { directory in
            _ = try makeSource("\(directory)/source")
            let formats: [SampleFormat] = [
                .patches(try PatchGrid(imageSize: 32, patchSize: 8)), .jpeg(imageSize: 32, quality: 90),
            ]
            let wholes = try formats.enumerated().map { number, format in
                let path = "\(directory)/whole\(number)"
                try Sharding.run(
                    source: ShardSource("\(directory)/source"), output: path,
                    options: ShardingOptions(format, shardSize: 4))
                return path
            }
            let expected = try wholes.map { try Contents($0) }
            var counts: [Outcome: Int] = [:]
            for number in 0..<mutations {
                let path = "\(directory)/\(number)"
                try FileManager.default.copyItem(atPath: wholes[number % 2], toPath: path)
                var generator = KeyedGenerator(seed: 3, .drawing, number)
                let mutation = try ShardMutation.apply(to: path, using: &generator)
                let outcome = try outcome(of: path, expected[number % 2])
                if outcome == .silent || outcome == .nameless {
                    print("mutation \(number), \(mutation), is \(outcome)")
                }
                counts[outcome, default: 0] += 1
                try FileManager.default.removeItem(atPath: path)
            }
            print(
                "of \(mutations) mutated shard directories \(counts[.refused] ?? 0) were rejected, "
                    + "\(counts[.substituted] ?? 0) lost samples, which were substituted, "
                    + "\(counts[.harmless] ?? 0) read as before")
        }
    }

    enum Outcome {
        /// Rejected with any policy, with an error that names the file.
        case refused
        /// Rejected with an error that names the file, and readable with substitutes.
        case substituted
        /// Everything reads as before.
        case harmless
        /// The contents changed without an error, or the error does not name the file.
        case silent, nameless
    }

    private static func outcome(of path: String, _ expected: Contents) throws -> Outcome {
        do {
            return try Contents(path) == expected ? .harmless : .silent
        } catch let failure as Failure {
            guard failure.problem.contains(path) else { return .nameless }
        }
        do {
            let loader = try BatchLoader(settings(path, onCorruption: .substitute))
            let (samples, substitutions) = try loader.samples(0..<loader.count, for: .evaluation)
            // Samples that are not substitutes are unchanged.
            let lost = Set(substitutions.map(\.sample))
            let isIntact =
                samples.count == expected.samples.count
                && samples.indices.allSatisfy { lost.contains($0) || samples[$0] == expected.samples[$0] }
            return isIntact ? .substituted : .silent
        } catch let failure as Failure {
            return failure.problem.contains(path) ? .refused : .nameless
        }
    }
}
