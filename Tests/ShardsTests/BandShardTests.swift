import Base
import Foundation
import Images
import Shards
import TestSupport
import Testing

private let hasTifffile: Bool = {
    let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().path + "/../.."
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "\(root)/.venv/bin/python")
    process.arguments = ["-c", "import numpy, PIL, tifffile"]
    process.standardError = FileHandle.nullDevice
    guard (try? process.run()) != nil else { return false }
    process.waitUntilExit()
    return process.terminationStatus == 0
}()

/// Images of other channels than three, or of 16 bits, from sources to shards and back.
@Suite(.enabled(if: ImageKind.missing.isEmpty, "built without an image library; run: Launch/setup"))
struct BandShardTests {
    private func options(_ channels: Int, _ depth: Int) throws -> ShardingOptions {
        let pixel = try PixelFormat(channels: channels, depth: depth)
        return ShardingOptions(
            .patches(try PatchGrid(imageSize: 32, patchSize: 8, pixel: pixel)), shardSize: 4, jobs: 2)
    }

    /// Shards a source, verifies the shards, repairs one, and returns the pixels of all samples.
    private func pixels(
        _ path: String, _ options: ShardingOptions, _ selection: ShardSource.Selection = .init(), skipped: Int = 0
    ) throws -> [UInt8] {
        let out = "\(path)-shards-\(UUID())"
        let source = try ShardSource(path, selection)
        let summary = try Sharding.run(source: source, output: out, options: options)
        #expect(summary.skipped == skipped && summary.images == 6 - skipped)
        let verifier = try ShardVerifier(path: out)
        #expect(verifier.problems().isEmpty)
        var shards = try ShardDirectory(path: out)
        let pixels = try (0..<shards.count).flatMap { try shards.image(sample: $0).pixels }
        #expect(shards.index.pixelFormat == options.format.pixel)
        try write([1], to: "\(out)/shard-00001.h5")
        #expect(try verifier.repair(verifier.problems(), from: source) == ["shard-00001.h5"])
        #expect(verifier.problems().isEmpty)
        return pixels
    }

    private func expected(_ name: String, in directory: String) throws -> [UInt8] {
        try [UInt8](Data(contentsOf: URL(fileURLWithPath: "\(directory)/bands/\(name).raw")))
    }

    @Test(.enabled(if: hasTifffile, setupHint)) func samplesHaveTheValuesOfTheSource() throws {
        try withTemporaryDirectory { directory in
            try makeSources("bands", in: directory)
            let path = "\(directory)/bands"
            let fields = try expected("fields", in: directory)
            for form in [
                "chunky", "planar", "pages", "fields.npy", "fields-big-endian.npy", "fields-planar.npy", "fields.npz",
            ] {
                let isEqual = try pixels("\(path)/\(form)", options(4, 16)) == fields
                #expect(isEqual, "\(form)")
            }
            let maps = try expected("maps", in: directory)
            #expect(try pixels("\(path)/maps.npy", options(8, 8)) == maps)
            #expect(try pixels("\(path)/mixed", options(8, 8), skipped: 1) == Array(maps[..<16_384]) + maps[24_576...])
            #expect(try pixels("\(path)/wide.npy", options(13, 16)) == expected("wide", in: directory))
            let widened = try pixels("\(path)/maps.npy", options(8, 16))
            let isWidened = maps.indices.allSatisfy { widened[2 * $0] == maps[$0] && widened[2 * $0 + 1] == maps[$0] }
            #expect(isWidened)
            let grey = try pixels("\(path)/grey.npy", options(1, 16))
            // The first of four channels, of two bytes each.
            let first = stride(from: 0, to: fields.count, by: 8).flatMap { [fields[$0], fields[$0 + 1]] }
            #expect(grey == first)
            #expect(try pixels("\(path)/deep", options(1, 16)) == grey)
            let narrow = try pixels("\(path)/grey.npy", options(1, 8))
            let isNarrowed = narrow.indices.allSatisfy { index in
                let value = Int(grey[2 * index]) + Int(grey[2 * index + 1]) << 8
                return Int(narrow[index]) == (value + 128) / 257
            }
            #expect(isNarrowed)
        }
    }

    @Test(.enabled(if: hasTifffile, setupHint)) func otherChannelsAreRefused() throws {
        try withTemporaryDirectory { directory in
            try makeSources("bands", in: directory)
            let path = "\(directory)/bands"
            func problem(_ form: String, _ channels: Int) throws -> Failure {
                try failure { _ = try pixels("\(path)/\(form)", options(channels, 16)) }
            }
            let wide = try problem("wide.npy", 8)
            #expect(wide.problem.contains("wide.npy has images of 13 channels, 8 are asked for"))
            #expect(wide.hint.contains("--channels 13"))
            #expect(try problem("fields.npy", 13).problem.contains("has images of 4 channels"))
            // (N, C, H, W) with other channels than asked for.
            #expect(try problem("fields-planar.npy", 7).problem.contains("has images of 32 channels, 7 are asked for"))
            #expect(try problem("signed.npy", 4).hint.contains("uint8 or uint16"))
            #expect(try problem("chunky", 5).problem.contains("none of the 6 files"))
            var kept = try options(4, 16)
            kept.format = .original(try PixelFormat(channels: 4, depth: 16))
            let values = try failure { _ = try pixels("\(path)/fields.npy", kept) }
            #expect(values.problem.contains("no image files, which --keep-original keeps"))
        }
    }

    /// Shards of RGB of 8 bits are as before: no new field in the index or its recipe.
    @Test func defaultsHaveNoNewFields() throws {
        try withTemporaryDirectory { directory in
            _ = try makeSource(directory + "/in")
            try shard(directory + "/in", to: directory + "/out")
            let text = try String(contentsOfFile: directory + "/out/index.json", encoding: .utf8)
            #expect(!text.contains("channels") && !text.contains("depth"))
            var deep = try smallOptions()
            deep.format = .patches(
                try PatchGrid(imageSize: 32, patchSize: 8, pixel: PixelFormat(channels: 3, depth: 16)))
            let other = try failure {
                try Sharding.run(source: ShardSource(directory + "/in"), output: directory + "/out", options: deep)
            }
            #expect(other.problem.contains("not empty"))
        }
    }

    /// Files of every kind are stored byte for byte, and decoded to the format of the shards.
    @Test func filesOfAnyKindAreKept() throws {
        try withTemporaryDirectory { directory in
            let fixtures = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
                .appendingPathComponent("../ImagesTests/Fixtures/Formats")
            let kinds = ["lossy.webp", "free.gif", "bit-fields.bmp", "binary.ppm", "rgb-tiff_lzw.tif"]
            var files: [String: [UInt8]] = [:]
            for name in kinds { files[name] = [UInt8](try Data(contentsOf: fixtures.appendingPathComponent(name))) }
            let drawn = try Drawing.image(number: 3, label: 0, side: 40, seed: 1)
            files["drawn.png"] = try PNGEncoder.encode(drawn)
            files["drawn.jpg"] = try JPEGEncoder.encode(drawn)
            for (name, bytes) in files { try write(bytes, to: "\(directory)/in/ape/\(name)") }
            try write([1, 2, 3], to: "\(directory)/in/ape/text")
            let out = directory + "/out"
            for pixel in [PixelFormat.rgb, try PixelFormat(channels: 1, depth: 16)] {
                let options = ShardingOptions(.original(pixel), shardSize: 3)
                let source = try ShardSource(directory + "/in")
                #expect(try Sharding.run(source: source, output: out, options: options).skipped == 1)
                var shards = try ShardDirectory(path: out)
                #expect(shards.index.pixelFormat == pixel && shards.index.recipe?.keepsFiles == true)
                #expect(shards.index.mean.count == pixel.channels && shards.count == files.count)
                for sample in 0..<shards.count {
                    let name = String(try shards.key(sample: sample).dropFirst(4))
                    let (reader, row) = try shards.reader(of: sample)
                    let bytes = try #require(files[name])
                    #expect(try reader.bytes(of: row) == bytes, "\(name)")
                    #expect(try shards.image(sample: sample) == ImageDecoder.decode(bytes, as: pixel), "\(name)")
                }
                try write([1], to: "\(out)/shard-00001.h5")
                let verifier = try ShardVerifier(path: out)
                #expect(try verifier.repair(verifier.problems(), from: source) == ["shard-00001.h5"])
                try FileManager.default.removeItem(atPath: out)
            }
        }
    }

    /// Shards of an earlier version, which kept JPEG files alone, are repaired as they were made, and not continued as something else.
    @Test func earlierMeaningOfKeptFilesStays() throws {
        try withTemporaryDirectory { directory in
            let source = directory + "/in"
            let drawn = try Drawing.image(number: 3, label: 0, side: 40, seed: 1)
            try write(PNGEncoder.encode(drawn), to: source + "/ape/a.png")
            try write(JPEGEncoder.encode(drawn), to: source + "/ape/b.jpg")
            let out = directory + "/out"
            let earlier = ShardingOptions(.originalJPEG(quality: 90), shardSize: 4)
            try Sharding.run(source: ShardSource(source), output: out, options: earlier)
            let text = try String(contentsOfFile: out + "/index.json", encoding: .utf8)
            #expect(text.contains("\"quality\" : 90"))
            try write([1], to: "\(out)/shard-00000.h5")
            let verifier = try ShardVerifier(path: out)
            #expect(verifier.index.recipe?.keepsFiles == false)
            #expect(try verifier.repair(verifier.problems(), from: ShardSource(source)) == ["shard-00000.h5"])
            var shards = try ShardDirectory(path: out)
            let (reader, row) = try shards.reader(of: 0)
            #expect(try reader.bytes(of: row) == JPEGEncoder.encode(drawn, quality: 90))
            do {
                let begun = try Sharding(source: ShardSource(source), output: directory + "/begun", options: earlier)
                #expect(try begun.begin())
            }
            let kept = ShardingOptions(.original(.rgb), shardSize: 4)
            for name in ["out", "begun"] {
                let refused = try failure {
                    try Sharding.run(source: ShardSource(source), output: "\(directory)/\(name)", options: kept)
                }
                #expect(refused.problem.contains(name == "out" ? "not empty" : "other options"), "\(refused)")
            }
        }
    }

    /// Images of arrays and of many channels wait for memory, like files.
    @Test(.enabled(if: hasTifffile, setupHint)) func valuesAreTakenFromTheBudget() throws {
        try withTemporaryDirectory { directory in
            try makeSources("bands", in: directory)
            var few = try options(13, 16)
            few.memory = MemoryBudget { 20_000 }
            let refused = try failure { _ = try pixels("\(directory)/bands/wide.npy", few) }
            #expect(refused.problem.contains("of memory and") && refused.hint.contains("--max-pixels"), "\(refused)")
            var small = try options(13, 16)
            small.pixelLimit = 1023
            let large = try failure { _ = try pixels("\(directory)/bands/wide.npy", small) }
            #expect(large.problem.contains("none of the 6 files"))
        }
    }
}
