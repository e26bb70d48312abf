import Foundation
import Images
import Shards
import TestSupport
import Testing

/// JPEG shards, and indexes of earlier versions.
@Suite struct EncodingTests {
    private func shard(_ source: String, to output: String, _ format: SampleFormat) throws -> ShardIndex {
        try Sharding.run(
            source: ShardSource(source), output: output, options: ShardingOptions(format, shardSize: 4))
        return try ShardIndex.load(directory: output)
    }

    @Test func jpegShardsContainTheCroppedImages() throws {
        try withTemporaryDirectory { directory in
            let images = try makeSource(directory + "/in")
            let index = try shard(directory + "/in", to: directory + "/out", .jpeg(imageSize: 32, quality: 90))
            #expect(index.encoding == .jpeg && index.imageSize == 32 && index.patchSize == nil)
            try #require(index.shards.map(\.count) == [4, 4, 1] && index.formatVersion == 2)
            for number in 0..<3 {
                let reader = try ShardReader(directory: directory + "/out", shard: number, index: index)
                for row in 0..<reader.count {
                    let expected = try JPEGEncoder.encode(images[4 * number + row], quality: 90)
                    #expect(try reader.bytes(of: row) == expected)
                    #expect(reader.label(sample: row) == (4 * number + row) / 3)
                }
            }
        }
    }

    /// JPEG files are kept unchanged, whatever their size; only other formats are encoded.
    @Test func originalsAreKept() throws {
        try withTemporaryDirectory { directory in
            var files: [[UInt8]] = []
            for (number, side) in [17, 640, 3].enumerated() {
                let image = try Drawing.image(number: number, label: 0, side: side, seed: 1)
                files.append(try JPEGEncoder.encode(image, quality: 97, subsampling: .none))
                try write(files[number], to: "\(directory)/in/ape/\(number).jpg")
            }
            let drawn = try Drawing.image(number: 9, label: 0, side: 20, seed: 1)
            try write(PNGEncoder.encode(drawn), to: directory + "/in/ape/9.png")
            files.append(try JPEGEncoder.encode(drawn, quality: 80))
            let index = try shard(directory + "/in", to: directory + "/out", .originalJPEG(quality: 80))
            #expect(index.encoding == .jpeg && index.imageSize == 0)
            try #require(index.shards.count == 1)
            let reader = try ShardReader(directory: directory + "/out", shard: 0, index: index)
            for row in 0..<4 { #expect(try reader.bytes(of: row) == files[row]) }
        }
    }

    /// Files that span several chunks of the dataset and end inside one.
    @Test func filesLargerThanAChunkAreComplete() throws {
        try withTemporaryDirectory { directory in
            var files: [[UInt8]] = []
            for number in 0..<3 {
                let side = 900
                let noise = (0..<side * side * 3).map {
                    UInt8(truncatingIfNeeded: ($0 + number) &* 2_654_435_761 >> 13)
                }
                let image = try Image(width: side, height: side, pixels: noise)
                files.append(try JPEGEncoder.encode(image, quality: 100, subsampling: .none))
                try write(files[number], to: "\(directory)/in/ape/\(number).jpg")
            }
            #expect(files.allSatisfy { $0.count > 1 << 20 })
            let index = try shard(directory + "/in", to: directory + "/out", .originalJPEG(quality: 80))
            try #require(index.shards.count == 1)
            let reader = try ShardReader(directory: directory + "/out", shard: 0, index: index)
            for row in 0..<3 { #expect(try reader.bytes(of: row) == files[row]) }
        }
    }

    @Test func versionOneIsReadAsPatches() throws {
        try withTemporaryDirectory { directory in
            let images = try makeSource(directory + "/in")
            try ShardsTests.shard(directory + "/in", to: directory + "/out")
            try editIndex(of: directory + "/out") {
                $0["formatVersion"] = 1
                $0["recipe"] = nil
            }
            var shards = try ShardDirectory(path: directory + "/out")
            #expect(shards.index.encoding == .patches && shards.index.recipe == nil)
            #expect(try image(5, of: &shards) == images[5].pixels)
        }
    }
}
