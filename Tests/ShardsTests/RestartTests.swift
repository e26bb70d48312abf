import Foundation
import Images
import Shards
import TestSupport
import Testing

/// The bytes do not depend on who writes the shards, or on how often the work is interrupted.
@Suite struct RestartTests {
    /// `makeSource` with five unreadable files, which fill one shard of four and part of another.
    private func makeDamagedSource(_ path: String) throws {
        _ = try makeSource(path)
        for number in 0..<5 { try write([UInt8(number)], to: "\(path)/bad/\(number).png") }
    }

    private let formats: [SampleFormat] = [.jpeg(imageSize: 32, quality: 90), .originalJPEG(quality: 80)]

    @Test(arguments: [nil, 7 as UInt64]) func bytesDoNotDependOnJobsAndParts(shuffle: UInt64?) throws {
        try withTemporaryDirectory { directory in
            try makeDamagedSource(directory + "/in")
            let source = try ShardSource(directory + "/in")
            for format in formats + [try smallOptions().format] {
                var options = try smallOptions(jobs: 1, shuffle: shuffle)
                options.format = format
                let one = "\(directory)/\(UUID())"
                try Sharding.run(source: source, output: one, options: options)
                for (jobs, parts) in [(2, 1), (5, 1), (1, 2), (2, 3)] {
                    options.jobs = jobs
                    let other = "\(directory)/\(UUID())"
                    let job = try Sharding(source: source, output: other, options: options)
                    #expect(try job.begin())
                    for part in (0..<parts).reversed() { try job.makeShards(part: part, of: parts) }
                    #expect(try job.conclude().skipped == 5)
                    #expect(try haveSameFiles(one, other), "\(jobs) jobs, \(parts) parts")
                }
            }
        }
    }

    @Test func shuffledShardsContainEachImageOnce() throws {
        try withTemporaryDirectory { directory in
            let images = try makeSource(directory + "/in")
            let source = try ShardSource(directory + "/in")
            try Sharding.run(source: source, output: directory + "/out", options: smallOptions(shuffle: 3))
            var shards = try ShardDirectory(path: directory + "/out")
            let keys = try (0..<9).map { try shards.key(sample: $0) }
            let ordered = source.items.map { source.key(of: $0) }
            try #require(keys != ordered && keys.sorted() == ordered)
            for (sample, key) in keys.enumerated() {
                let original = try #require(ordered.firstIndex(of: key))
                #expect(try image(sample, of: &shards) == images[original].pixels)
                #expect(try shards.label(sample: sample) == original / 3)
            }
        }
    }

    /// What a killed process may leave: a shard with and without its record, and partial files.
    @Test func finishedShardsAreKeptAndOthersRebuilt() throws {
        try withTemporaryDirectory { directory in
            try makeDamagedSource(directory + "/in")
            let source = try ShardSource(directory + "/in")
            try Sharding.run(source: source, output: directory + "/one", options: smallOptions())
            let out = directory + "/two"
            let job = try Sharding(source: source, output: out, options: smallOptions())
            #expect(try job.begin())
            #expect(try job.makeShards() == (14, 0))
            #expect(try job.makeShards() == (0, 4), "all are kept")
            let records = out + "/unfinished"
            try FileManager.default.removeItem(atPath: records + "/shard-00000.h5.json")
            try write(Array("{".utf8), to: records + "/shard-00001.h5.json")
            for name in ["shard-00002.h5", "index.json.0badcafe", "skipped.txt.0badcafe"] {
                try write([1, 2, 3], to: out + "/\(name).partial")
            }
            try FileManager.default.removeItem(atPath: out + "/shard-00002.h5")
            let early = try failure { _ = try job.conclude() }
            #expect(early.problem.contains("lacks shard-00000.h5"))
            #expect(try job.makeShards() == (12, 1), "the shard without a sample is kept")
            try write([0], to: out + "/shard-00003.h5")
            #expect(try job.makeShards() == (2, 3), "a changed shard is rebuilt")
            _ = try job.conclude()
            #expect(try haveSameFiles(directory + "/one", out))
            // Running again does nothing, also if it was killed before the records were removed.
            try write(Array("{}".utf8), to: records + "/recipe.json")
            #expect(try Sharding.run(source: source, output: out, options: smallOptions()).images == 9)
            #expect(try haveSameFiles(directory + "/one", out))
        }
    }

    @Test func unrelatedDirectoryIsRejected() throws {
        try withTemporaryDirectory { directory in
            _ = try makeSource(directory + "/in")
            let source = try ShardSource(directory + "/in")
            func run() throws { try Sharding.run(source: source, output: directory + "/out", options: smallOptions()) }
            // Killed before its options were written; then an unrelated directory of that name.
            try write([], to: directory + "/out/unfinished/recipe.json.partial")
            try run()
            try FileManager.default.removeItem(atPath: directory + "/out")
            try write([1], to: directory + "/out/unfinished/poem.txt")
            try write([1], to: directory + "/out/poems.txt")
            #expect(try failure { try run() }.problem.contains("not empty"))
            #expect(try names(in: directory + "/out/unfinished") == ["poem.txt"])
        }
    }

    @Test func differentOptionsAndSourcesAreRejected() throws {
        try withTemporaryDirectory { directory in
            _ = try makeSource(directory + "/in")
            let source = try ShardSource(directory + "/in")
            let out = directory + "/out"
            do {
                let job = try Sharding(source: source, output: out, options: smallOptions())
                #expect(try job.begin())
                let busy = try failure {
                    _ = try Sharding(source: source, output: out, options: smallOptions()).begin()
                }
                #expect(busy.problem.contains("another process is at work"))
            }
            let other = try failure {
                try Sharding.run(source: source, output: out, options: smallOptions(shuffle: 1))
            }
            #expect(other.problem.contains("other options or another source"))
            try write(
                PNGEncoder.encode(Drawing.image(number: 0, label: 0, side: 8, seed: 0)), to: directory + "/in/ape/9.png"
            )
            let more = try failure {
                try Sharding.run(source: ShardSource(directory + "/in"), output: out, options: smallOptions())
            }
            #expect(more.problem.contains("other options or another source"))
            try Sharding.run(source: source, output: out, options: smallOptions())
            let full = try failure {
                try Sharding.run(source: ShardSource(directory + "/in"), output: out, options: smallOptions())
            }
            #expect(full.problem.contains("not empty"))
        }
    }
}
