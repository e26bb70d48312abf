import Base
import Foundation
import Images
import Shards
import TestSupport
import Testing

/// Numbers and names in the files of a shard directory, and what may lie in place of such a file.
@Suite struct UntrustedFilesTests {
    private func withShards(_ body: (String) throws -> Void) throws {
        try withTemporaryDirectory { directory in
            _ = try makeSource(directory + "/in")
            try write([1], to: directory + "/in/ape/bad.png")
            try shard(directory + "/in", to: directory + "/out")
            try body(directory + "/out")
        }
    }

    @Test(arguments: [Int.min, -1, 1 << 60, .max]) func numbersOfTheRecipeAreCounts(number: Int) throws {
        try withShards { out in
            for key in ["images", "shardSize"] {
                try editIndex(of: out) { index in
                    var recipe = try #require(index["recipe"] as? [String: Any])
                    var source = try #require(recipe["source"] as? [String: Any])
                    source["images"] = key == "images" ? number : 10
                    recipe["source"] = source
                    recipe["shardSize"] = key == "shardSize" ? number : 4
                    index["recipe"] = recipe
                }
                let refused = try failure { _ = try ShardVerifier(path: out) }
                #expect(refused.problem.contains("\(number) is not a count"), "\(refused)")
                #expect(!refused.problem.contains("Context("), "\(refused)")
            }
        }
    }

    @Test func fewerImagesThanSamplesAreRefused() throws {
        try withShards { out in
            try editIndex(of: out) { index in
                var recipe = try #require(index["recipe"] as? [String: Any])
                var source = try #require(recipe["source"] as? [String: Any])
                source["images"] = 8
                recipe["source"] = source
                index["recipe"] = recipe
            }
            #expect(
                try failure { _ = try ShardVerifier(path: out) }.problem.contains("more samples than the source had"))
        }
    }

    /// Sizes that fit together, and that no file has: 2^48 bytes a shard.
    @Test func sizesAreHeldAgainstTheFiles() throws {
        try withShards { out in
            let many = 1 << 34
            try editIndex(of: out) { index in
                var shards = try #require(index["shards"] as? [[String: Any]])
                for shard in shards.indices {
                    shards[shard]["count"] = many
                    shards[shard]["bytes"] = 1 << 48
                }
                index["shards"] = shards
                index["total"] = many * shards.count
                index["recipe"] = nil
            }
            #expect(try failure { _ = try ShardIndex.read(directory: out) }.problem.contains("too many bytes"))
            try editShard(0, of: out) { $0["bytes"] = 1 << 47 }
            try editShard(1, of: out) { ($0["count"], $0["bytes"]) = (1, 20_000) }
            try editShard(2, of: out) { ($0["count"], $0["bytes"]) = (1, 20_000) }
            try editIndex(of: out) { $0["total"] = many + 2 }
            #expect(try ShardIndex.read(directory: out).total == many + 2)
            #expect(try failure { _ = try ShardDirectory(path: out) }.problem.contains("and should have"))
        }
    }

    /// A record that names a file elsewhere: strict mode removes the shards that records name.
    @Test(arguments: ["../victim", "victim", "shard-00001.h5"]) func recordNamesItsOwnShardAlone(name: String) throws {
        try withTemporaryDirectory { directory in
            _ = try makeSource(directory + "/in")
            try write([1], to: directory + "/in/ape/bad.png")
            let out = directory + "/out"
            let options = ShardingOptions(
                .patches(try PatchGrid(imageSize: 32, patchSize: 8)), shardSize: 4, isStrict: true)
            let job = try Sharding(source: ShardSource(directory + "/in"), output: out, options: options)
            #expect(try job.begin())
            try job.makeShards()
            try write([1], to: directory + "/victim")
            try write([1], to: out + "/victim")
            let path = out + "/unfinished/shard-00000.h5.json"
            let record = try String(contentsOfFile: path, encoding: .utf8)
            let forged = record.replacing("\"file\":\"shard-00000.h5\"", with: "\"file\":\"\(name)\"")
            try #require(forged != record)
            try write(Array(forged.utf8), to: path)
            #expect(try failure { _ = try job.conclude() }.problem.contains("lacks shard-00000.h5"))
            #expect(FileManager.default.fileExists(atPath: directory + "/victim"))
            #expect(FileManager.default.fileExists(atPath: out + "/victim"))
            #expect(try job.makeShards() == (4, 2), "the shard is made again")
        }
    }

    /// A FIFO that nobody writes to, in place of each file. If one of them were opened for reading, the test would not end.
    @Test func fifosAreNotWaitedFor() throws {
        try withShards { out in
            for name in ["index.json", "skipped.txt"] {
                let kept = try Data(contentsOf: URL(fileURLWithPath: "\(out)/\(name)"))
                try FileManager.default.removeItem(atPath: "\(out)/\(name)")
                try #require(mkfifo("\(out)/\(name)", 0o600) == 0)
                if name == "index.json" {
                    let refused = try failure { _ = try ShardIndex.read(directory: out) }
                    #expect(refused.problem == "\(out)/index.json is not a regular file")
                    #expect(throws: Failure.self) { try ShardIndex.fingerprint(directory: out) }
                } else {
                    let problems = try ShardVerifier(path: out).problems().map(\.description)
                    #expect(problems == ["\(out)/skipped.txt is not a regular file"])
                }
                try FileManager.default.removeItem(atPath: "\(out)/\(name)")
                try kept.write(to: URL(fileURLWithPath: "\(out)/\(name)"))
            }
            try #require(mkfifo("\(out)/list", 0o600) == 0)
            for list in ["\(out)/list", "/dev/null", out] {
                let refused = try failure { _ = try ClassNames.read(list) }
                #expect(refused.problem == "\(list) is not a regular file")
            }
            #expect(throws: Failure.self) { try ShardSource("\(out)/list") }
        }
    }

    @Test func recordThatIsAFifoIsMadeAgain() throws {
        try withTemporaryDirectory { directory in
            _ = try makeSource(directory + "/in")
            let job = try Sharding(
                source: ShardSource(directory + "/in"), output: directory + "/out", options: smallOptions())
            #expect(try job.begin())
            try job.makeShards()
            let path = directory + "/out/unfinished/shard-00002.h5.json"
            try FileManager.default.removeItem(atPath: path)
            try #require(mkfifo(path, 0o600) == 0)
            #expect(throws: Failure.self) { try job.conclude() }
            try FileManager.default.removeItem(atPath: path)
            #expect(try job.makeShards() == (1, 2))
        }
    }

    /// Without descriptors, the reason is the system's text and not that of a Swift value.
    @Test func exhaustedDescriptorsAreNamed() async throws {
        let result = await #expect(processExitsWith: .success, observing: [\.standardOutputContent]) {
            try withTemporaryDirectory { directory in
                _ = try makeSource(directory + "/in")
                try shard(directory + "/in", to: directory + "/out")
                let verifier = try ShardVerifier(path: directory + "/out", jobs: 1)
                var limit = rlimit(rlim_cur: 0, rlim_max: 1 << 10)
                setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
                let problems = verifier.problems()
                limit.rlim_cur = limit.rlim_max
                setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
                for problem in problems { print(problem.description) }
            }
        }
        let text = String(decoding: result?.standardOutputContent ?? [], as: UTF8.self)
        #expect(text.contains("shard-00000.h5: Too many open files") && !text.contains("MachineFailure"), "\(text)")
    }
}
