import Base
import Foundation
import Images
import Shards
import TestSupport
import Testing

@Suite struct ShardingTests {
    /// Four jobs and memory for one image: all wait for their turn. An image that alone does not fit ends the job, since its shard
    /// must not depend on the machine; one with too many pixels is skipped.
    @Test func imagesWaitForMemory() throws {
        try withTemporaryDirectory { directory in
            _ = try makeSource(directory + "/in")
            let large = try Drawing.image(number: 0, label: 0, side: 640, seed: 0)
            try write(PNGEncoder.encode(large), to: directory + "/in/ape/large.png")
            var options = try smallOptions(jobs: 4)
            options.memory = MemoryBudget { 3 << 20 }
            let short = try failure {
                try Sharding.run(
                    source: ShardSource(directory + "/in"), output: directory + "/out", options: options)
            }
            #expect(short.problem.hasPrefix("ape/large.png: it needs"), "\(short)")
            #expect(short.problem.hasSuffix("MiB of memory and 3 are free"), "\(short)")
            options.memory = MemoryBudget { 16 << 20 }
            let summary = try Sharding.run(
                source: ShardSource(directory + "/in"), output: directory + "/out", options: options)
            #expect(summary.images == 10 && summary.skipped == 0, "the same job goes on where there is more")

            options = try smallOptions()
            options.pixelLimit = 640 * 640 - 1
            try Sharding.run(source: ShardSource(directory + "/in"), output: directory + "/limited", options: options)
            let tooLarge = try String(contentsOfFile: directory + "/limited/skipped.txt", encoding: .utf8)
            #expect(tooLarge.contains("ape/large.png\tan image of 640 x 640 pixels is empty or too large"))
            #expect(try ShardIndex.read(directory: directory + "/limited").recipe?.maxPixels == 640 * 640 - 1)
            // The limit is a part of how shards are made again.
            let verifier = try ShardVerifier(path: directory + "/limited")
            #expect(verifier.problems().isEmpty)
            try write([1], to: directory + "/limited/shard-00000.h5")
            let repaired = try verifier.repair(verifier.problems(), from: ShardSource(directory + "/in"))
            #expect(repaired == ["shard-00000.h5"] && verifier.problems().isEmpty)
        }
    }

    @Test func readingReturnsTheShardedImages() throws {
        try withTemporaryDirectory { directory in
            let images = try makeSource(directory + "/in")
            var calls: [Int] = []
            let options = ShardingOptions(.patches(try PatchGrid(imageSize: 32, patchSize: 8)), shardSize: 4)
            let summary = try Sharding.run(
                source: ShardSource(directory + "/in"), output: directory + "/out", options: options
            ) { progress in
                calls.append(progress.done)
                #expect(progress.total == 9)
            }
            #expect(calls.last == 9 && calls == calls.sorted())
            #expect(summary.images == 9 && summary.classes == 3 && summary.shards == 3 && summary.skipped == 0)
            #expect(
                try names(in: directory + "/out")
                    == ["index.json", "shard-00000.h5", "shard-00001.h5", "shard-00002.h5"])

            // One open file at a time, and samples out of order: every read opens a shard.
            var shards = try ShardDirectory(path: directory + "/out", openLimit: 1)
            #expect(shards.count == 9)
            #expect(shards.index.classes == ["ape", "bee", "cow"])
            #expect(shards.index.shards.map(\.count) == [4, 4, 1])
            #expect(summary.bytes == shards.index.shards.reduce(0) { $0 + $1.bytes })
            for sample in [8, 0, 5, 4, 3, 7, 1, 2, 6] {
                #expect(try image(sample, of: &shards) == images[sample].pixels)
                #expect(try shards.label(sample: sample) == sample / 3)
                #expect(try shards.key(sample: sample) == "\(["ape", "bee", "cow"][sample / 3])/\(sample % 3).png")
                #expect(shards.location(of: sample) == (sample / 4, sample % 4))
            }
            let beyond = try failure { _ = try shards.label(sample: 9) }
            #expect(beyond.problem.contains("no sample 9"))
        }
    }

    @Test func statisticsCoverAllPixels() throws {
        try withTemporaryDirectory { directory in
            let images = try makeSource(directory + "/in")
            try shard(directory + "/in", to: directory + "/out")
            let index = try ShardIndex.load(directory: directory + "/out")
            let values = images.flatMap(\.pixels)
            try #require(index.mean.count == 3 && index.std.count == 3)
            for channel in 0..<3 {
                let own = stride(from: channel, to: values.count, by: 3).map { Double(values[$0]) / 255 }
                let mean = own.reduce(0, +) / Double(own.count)
                let variance = own.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(own.count)
                #expect(abs(index.mean[channel] - mean) < 1e-12)
                #expect(abs(index.std[channel] - variance.squareRoot()) < 1e-12)
            }
        }
    }

    @Test func fileChecksumsMatchTheFiles() throws {
        try withTemporaryDirectory { directory in
            _ = try makeSource(directory + "/in")
            try shard(directory + "/in", to: directory + "/out")
            for entry in try ShardIndex.load(directory: directory + "/out").shards {
                let data = try Data(contentsOf: URL(fileURLWithPath: directory + "/out/" + entry.file))
                #expect(data.count == entry.bytes)
                #expect(data.withUnsafeBytes { Checksum(of: $0).value } == entry.checksum)
            }
        }
    }

    @Test func sameSourceGivesTheSameFiles() throws {
        try withTemporaryDirectory { directory in
            _ = try makeSource(directory + "/in")
            try shard(directory + "/in", to: directory + "/one")
            try shard(directory + "/in", to: directory + "/two")
            for name in try names(in: directory + "/one") {
                let one = try Data(contentsOf: URL(fileURLWithPath: directory + "/one/" + name))
                #expect(try Data(contentsOf: URL(fileURLWithPath: directory + "/two/" + name)) == one)
            }
        }
    }

    /// Adds to the nine images of `makeSource` four unreadable ones, and entries that are not images.
    private func addUnreadable(_ source: String) throws {
        let whole = try JPEGEncoder.encode(Drawing.image(number: 1, label: 1, side: 32, seed: 0))
        try write(Array("not an image".utf8), to: source + "/ape/text.jpg")
        try write([], to: source + "/bee/empty.jpg")
        try write(Array(whole.dropLast(whole.count / 3)), to: source + "/bee/short.jpg")
        try write([0xFF, 0xD8, 0xFF], to: source + "/dog/only.jpg")
        try write(Array("x".utf8), to: source + "/ape/.hidden")
        try write(Array("x".utf8), to: source + "/beside.txt")
        try write(whole, to: source + "/ape/directory.jpg/inside.jpg")
    }

    @Test func unreadableFilesAreListedAndSkipped() throws {
        try withTemporaryDirectory { directory in
            let images = try makeSource(directory + "/in")
            try addUnreadable(directory + "/in")
            let summary = try shard(directory + "/in", to: directory + "/out")
            #expect(summary.images == 10 && summary.skipped == 4 && summary.classes == 4)

            let text = try String(contentsOfFile: directory + "/out/skipped.txt", encoding: .utf8)
            let lines = text.split(separator: "\n").map { $0.split(separator: "\t") }
            try #require(lines.count == 4 && lines.allSatisfy { $0.count == 2 && !$0[1].isEmpty }, "\(text)")
            #expect(lines.map { String($0[0]) } == ["ape/text.jpg", "bee/empty.jpg", "bee/short.jpg", "dog/only.jpg"])
            #expect(lines[2][1].contains("end early"))

            var shards = try ShardDirectory(path: directory + "/out")
            #expect(shards.index.classes == ["ape", "bee", "cow", "dog"])
            #expect(try shards.key(sample: 3) == "ape/directory.jpg/inside.jpg")
            for sample in 0..<9 {
                #expect(try image(sample < 3 ? sample : sample + 1, of: &shards) == images[sample].pixels)
            }
        }
    }

    /// The bytes tell what an image is, not its name.
    @Test(.enabled(if: ImageKind.missing.isEmpty, "built without an image library; run: Launch/setup"))
    func everyKindIsTakenUnderAnyName() throws {
        try withTemporaryDirectory { directory in
            let formats =
                URL(fileURLWithPath: #filePath).deletingLastPathComponent().path
                + "/../ImagesTests/Fixtures/Formats/"
            let files = [
                "lossy.webp", "animation.webp", "interlaced.gif", "tiles-deep-zlib.tif", "runs-of-bytes.bmp",
                "text.pgm",
            ]
            for (number, name) in files.enumerated() {
                let bytes = [UInt8](try Data(contentsOf: URL(fileURLWithPath: formats + name)))
                try write(bytes, to: "\(directory)/in/any/\(number).jpg")
                try write(Array(bytes.prefix(100)), to: "\(directory)/in/short/\(number).png")
            }
            try write(Array("GIF87a".utf8), to: "\(directory)/in/any/only.webp")
            let summary = try shard(directory + "/in", to: directory + "/out")
            #expect(summary.images == 6 && summary.skipped == 7)
            let text = try String(contentsOfFile: directory + "/out/skipped.txt", encoding: .utf8)
            let skipped = text.split(separator: "\n").map { $0.split(separator: "\t").first.map(String.init) }
            #expect(skipped == ["any/only.webp"] + (0..<6).map { "short/\($0).png" }, "\(text)")
        }
    }

    @Test func strictKeepsOnlyTheList() throws {
        try withTemporaryDirectory { directory in
            _ = try makeSource(directory + "/in")
            try addUnreadable(directory + "/in")
            let failure = try failure { try shard(directory + "/in", to: directory + "/out", isStrict: true) }
            #expect(failure.problem.contains("4 of 14"))
            #expect(failure.hint.contains("skipped.txt"))
            #expect(try names(in: directory + "/out") == ["skipped.txt"])
        }
    }

    @Test func noReadableImageIsAFailure() throws {
        try withTemporaryDirectory { directory in
            try write([1, 2, 3], to: directory + "/in/ape/a.jpg")
            let failure = try failure { try shard(directory + "/in", to: directory + "/out") }
            #expect(failure.problem.contains("none of the 1 files"))
            #expect(try names(in: directory + "/out") == ["skipped.txt"])
        }
    }

    @Test func unusableSourcesAndOutputsAreNamed() throws {
        try withTemporaryDirectory { directory in
            let missing = try failure { try shard(directory + "/missing", to: directory + "/out") }
            #expect(missing.problem.contains(directory + "/missing"))

            try FileManager.default.createDirectory(
                atPath: directory + "/empty/class", withIntermediateDirectories: true)
            let empty = try failure { try shard(directory + "/empty/class", to: directory + "/out") }
            #expect(empty.problem.contains("has no images"))
            let hollow = try failure { try shard(directory + "/empty", to: directory + "/out") }
            #expect(hollow.problem.contains("passed over: 1 directory without files"))
            #expect(try names(in: directory) == ["empty"])

            _ = try makeSource(directory + "/in")
            let inside = try failure { try shard(directory + "/in", to: directory + "/in/out") }
            #expect(inside.problem.contains("inside"))
            let full = try failure { try shard(directory + "/in", to: directory + "/empty") }
            #expect(full.problem.contains("not empty"))
            let file = try failure { try shard(directory + "/in", to: directory + "/in/ape/0.png") }
            #expect(file.problem.contains("not a directory"))
            #expect(try names(in: directory) == ["empty", "in"])
            #expect(try names(in: directory + "/in") == ["ape", "bee", "cow"])
        }
    }

    @Test(
        .enabled(
            if: ProcessInfo.processInfo.environment["CRATE_DATA"] != nil,
            "CRATE_DATA does not name a directory with imagenet-sample"))
    func allRealImagesAreRead() throws {
        let data = try #require(ProcessInfo.processInfo.environment["CRATE_DATA"])
        try withTemporaryDirectory { directory in
            let source = try ShardSource(data + "/imagenet-sample/val")
            let grid = try PatchGrid(imageSize: 256, patchSize: 16)
            func shard(_ out: String, jobs: Int) throws -> Sharding.Summary {
                try Sharding.run(
                    source: source, output: "\(directory)/\(out)",
                    options: ShardingOptions(.patches(grid), shardSize: 64, isStrict: true, jobs: jobs))
            }
            let summary = try shard("out", jobs: 1)
            #expect(try shard("two", jobs: 2) == summary && haveSameFiles(directory + "/out", directory + "/two"))
            #expect(summary.images == 100 && summary.shards == 2 && summary.skipped == 0)
            let index = try ShardIndex.load(directory: directory + "/out")
            // ImageNet's values are 0.485, 0.456, 0.406.
            for (mean, usual) in zip(index.mean, [0.485, 0.456, 0.406]) { #expect(abs(mean - usual) < 0.06) }
        }
    }
}
