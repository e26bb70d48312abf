import Base
import Foundation
import Images
import Shards
import TestSupport
import Testing

/// What `crate shard --dry-run` says of a source.
@Suite struct SurveyTests {
    private func survey(_ source: ShardSource, _ format: SampleFormat? = nil) throws -> SourceSurvey {
        var options = try smallOptions()
        if let format { options.format = format }
        return try SourceSurvey(of: source, options: options)
    }

    private func texts(_ tallies: [SourceSurvey.Tally]) -> [String] { tallies.map { "\($0.name) \($0.images)" } }

    private func texts(_ leftOut: [SourceSurvey.LeftOut]) -> [String] {
        leftOut.map { "\($0.images) \($0.reason) \($0.example)" }
    }

    @Test func everythingOfAFolderIsCounted() throws {
        try withTemporaryDirectory { path in
            let images = try makeSource("\(path)/in")
            let jpeg = try JPEGEncoder.encode(images[0])
            try write(jpeg, to: "\(path)/in/ape/a.jpg")
            try write(jpeg, to: "\(path)/in/bee/b.jpg")
            try write(jpeg, to: "\(path)/in/ape/c.jpg")
            // As large, with the same beginning, and other bytes at its end.
            let image = try Image(width: 200, height: 100, pixels: [UInt8](repeating: 7, count: 60_000))
            let large = try JPEGEncoder.encode(image) + [UInt8](repeating: 1, count: 9000)
            try write(large, to: "\(path)/in/cow/d.jpg")
            try write(large.dropLast() + [2], to: "\(path)/in/cow/e.jpg")
            try write([], to: "\(path)/in/bee/empty.png")
            try write([], to: "\(path)/in/cow/empty.png")
            try write(Array("text".utf8), to: "\(path)/in/cow/text.png")
            try write(Array(jpeg.prefix(90)), to: "\(path)/in/cow/cut.jpg")
            try write([1], to: "\(path)/in/.hidden")
            try write([1], to: "\(path)/in/beside.png")
            let grey = try Image(
                width: 20, height: 9, pixels: [UInt8](repeating: 9, count: 180),
                format: PixelFormat(channels: 1, depth: 8))
            try write(LosslessEncoder.encode(grey), to: "\(path)/in/cow/grey.png")

            let source = try ShardSource("\(path)/in")
            let survey = try survey(source)
            #expect(survey.kind == "folder" && survey.images == 19)
            let classes = try #require(survey.classes)
            #expect(classes.count == 3 && classes.empty == 0 && classes.unlabelled == 0)
            #expect(texts([classes.smallest, classes.largest]) == ["ape 5", "cow 9"])
            #expect(texts(survey.formats) == ["PNG 10", "JPEG 5"])
            #expect(texts(survey.modes) == ["RGB 14", "grey 1"])
            #expect(
                survey.shorterSides.map { "\($0.from)-\($0.to) \($0.images)" } == ["8-15 1", "32-63 12", "64-127 2"])
            let (smallest, largest) = (try #require(survey.smallest), try #require(survey.largest))
            #expect(smallest.name == "cow/grey.png" && smallest.width == 20 && smallest.height == 9)
            #expect(largest.name == "cow/d.jpg" && largest.width == 200 && largest.height == 100)
            #expect(survey.enlarged == 1)
            #expect(
                texts(survey.leftOut) == [
                    "2 empty bee/empty.png", "1 ends inside its header cow/cut.jpg",
                    "1 no image of a known kind cow/text.png",
                ])
            #expect(survey.passedOver == "1 hidden entry, 1 file next to the class directories")
            let duplicates = survey.duplicates
            #expect(duplicates.images == 2 && duplicates.groups == 1 && duplicates.acrossClasses == 1)
            #expect(duplicates.example == ["ape/a.jpg", "ape/c.jpg"])

            // What sharding does.
            let summary = try Sharding.run(source: source, output: "\(path)/out", options: smallOptions())
            #expect(summary.skipped == survey.leftOut.reduce(0) { $0 + $1.images })
            let shards = try #require(survey.shards)
            #expect(shards.isExact && shards.sampleBytes == summary.images * 3072 && shards.files == summary.shards)
            #expect(shards.measured == 15 && shards.undecodable.isEmpty && shards.seconds > 0 && shards.jobs == 2)
            #expect(
                abs(shards.sampleBytes + shards.otherBytes - summary.bytes) < summary.bytes / 4, "\(shards) \(summary)")
        }
    }

    @Test func imagesOfTooManyPixelsAreLeftOut() throws {
        try withTemporaryDirectory { path in
            _ = try makeSource("\(path)/in")
            var options = try smallOptions()
            options.pixelLimit = 1000
            let survey = try SourceSurvey(of: ShardSource("\(path)/in"), options: options)
            #expect(texts(survey.leftOut) == ["9 too many pixels ape/0.png"])
            #expect(survey.shards == nil && survey.smallest == nil && survey.formats.isEmpty)
        }
    }

    /// Data of a file whose header is sound are damaged: found by those images that are decoded.
    @Test func damagedDataAreFoundInTheMeasuredImages() throws {
        try withTemporaryDirectory { path in
            let images = try makeSource("\(path)/in")
            try write(Array(PNGEncoder.encode(images[0]).dropLast(400)), to: "\(path)/in/ape/cut.png")
            let survey = try survey(ShardSource("\(path)/in"))
            #expect(survey.leftOut.isEmpty)
            #expect(survey.shards?.measured == 10 && survey.shards?.undecodable.map(\.example) == ["ape/cut.png"])
        }
    }

    @Test func originalsTakeTheirOwnSize() throws {
        try withTemporaryDirectory { path in
            for (number, image) in try makeSource("\(path)/in").enumerated() {
                try write(JPEGEncoder.encode(image), to: "\(path)/jpegs/\(number).jpg")
            }
            let source = try ShardSource("\(path)/jpegs")
            let survey = try survey(source, .original(.rgb))
            let sizes = try names(in: "\(path)/jpegs").map {
                try Data(contentsOf: URL(fileURLWithPath: "\(path)/jpegs/\($0)")).count
            }
            #expect(survey.classes == nil && survey.enlarged == 0)
            #expect(survey.shards?.sampleBytes == sizes.reduce(0, +) && survey.shards?.isExact == true)
            #expect(try self.survey(source, .jpeg(imageSize: 16, quality: 90)).shards?.isExact == false)
        }
    }

    /// The same images in a folder, in archives with and without compression, in tables, and as arrays.
    @Test(.enabled(if: hasPython && hasParquet && hasWebDataset, setupHint)) func everyKindOfSourceIsSurveyed() throws {
        try withTemporaryDirectory { path in
            try makeSources("folder", "zips", "binary", "arrays", "parquet", "samples", in: path)
            let folder = try survey(ShardSource("\(path)/folder"))
            #expect(folder.images > 10 && folder.leftOut.isEmpty && folder.formats.count == 1)
            let count = folder.images
            try run("tar", "-C", path, "-cf", "\(path)/folder.tar", "folder")
            try run("tar", "-C", path, "-czf", "\(path)/folder.tar.gz", "folder")
            for (name, within) in [
                ("folder.tar", nil), ("folder.tar.gz", nil), ("zips/deflated.zip", nil), ("zips/stored.zip", nil),
                ("arrays/one.npz", nil), ("binary", "data_batch"),
            ] as [(String, String?)] {
                let other = try survey(ShardSource("\(path)/\(name)", .init(within: within)))
                #expect(other.images == count && other.leftOut.isEmpty, "\(name)")
                #expect(other.shorterSides == folder.shorterSides && other.enlarged == folder.enlarged, "\(name)")
                #expect(other.shards?.sampleBytes == folder.shards?.sampleBytes, "\(name)")
                #expect(other.duplicates.images == folder.duplicates.images, "\(name)")
            }
            // A streamed archive is read from front to back.
            var selection = ShardSource.Selection()
            selection.memoryLimit = 1000
            let streamed = try survey(ShardSource("\(path)/folder.tar.gz", selection))
            #expect(streamed.images == count && streamed.leftOut.isEmpty)
            for (name, table) in try names(in: "\(path)/parquet").map({ ($0, "\(path)/parquet/\($0)") })
            where !name.hasSuffix(".parquet") {
                let other = try survey(ShardSource(table, .init(within: "train")))
                #expect(other.images == count && other.leftOut.isEmpty, "\(name)")
            }
        }
    }
}
