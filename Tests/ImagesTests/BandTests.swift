import Base
import Foundation
import Images
import TestSupport
import Testing

/// Images of other channels than three and of 16 bits, and the pixels of tifffile, Pillow and numpy.
@Suite(.enabled(if: ImageKind.missing.isEmpty, "built without an image library; run: Launch/setup"))
struct BandTests {
    /// What make_bands.py expects of a file: pixels of a format, or the reason why there are none.
    private struct Expectation {
        let file: URL
        let format: PixelFormat
        let isRefused: Bool

        /// From a name such as rgb.tif.3x16.pixels.
        init?(_ url: URL) throws {
            let kind = url.deletingPathExtension().pathExtension.split(separator: "x").compactMap { Int($0) }
            guard ["pixels", "refused"].contains(url.pathExtension) else { return nil }
            try #require(kind.count == 2)
            file = url
            format = try PixelFormat(channels: kind[0], depth: kind[1])
            isRefused = url.pathExtension == "refused"
        }

        var bytes: [UInt8] {
            get throws { try [UInt8](Data(contentsOf: file.deletingPathExtension().deletingPathExtension())) }
        }
        var name: String { file.lastPathComponent }
        var isOfPages: Bool { name.hasPrefix("pages") || name.hasPrefix("sub-images") }

        func check() throws {
            let contents = try [UInt8](Data(contentsOf: file))
            guard !isRefused else {
                let failure = #expect(throws: Failure.self, "\(name)") { try ImageDecoder.decode(bytes, as: format) }
                let reason = failure?.problem ?? ""
                let isOfAKind = reason.contains("is decoded to at most 3 channels, \(format.channels) are asked for")
                #expect(isOfAKind || reason == String(decoding: contents, as: UTF8.self), "\(name): \(reason)")
                return
            }
            let size = contents.withUnsafeBytes { bytes in
                (0..<2).map { Int(bytes.loadUnaligned(fromByteOffset: 4 * $0, as: Int32.self)) }
            }
            do {
                let image = try ImageDecoder.decode(bytes, as: format)
                #expect([image.width, image.height] == size && image.format == format, "\(name)")
                let areEqual = image.pixels == Array(contents[8...])
                #expect(areEqual, "\(name)")
            } catch {
                Issue.record("\(name): \(error)")
            }
        }
    }

    /// Checks the files of a directory, and returns how many expectations they have.
    private func check(_ directory: URL) throws -> Int {
        let expectations = try FileManager.default.contentsOfDirectory(at: directory, includingPropertiesForKeys: nil)
            .compactMap { try Expectation($0) }
        for expectation in expectations { try expectation.check() }
        return expectations.count
    }

    @Test func storedFilesHaveThePixelsOfTifffile() throws {
        #expect(try check(bands()) == 61)
    }

    @Test(.enabled(if: hasReferences, ".venv has no Pillow and tifffile; run: Launch/setup --tests"))
    func newFilesHaveThePixelsOfTifffile() throws {
        try withReferences("make_bands.py") { directory in
            let count = try check(URL(fileURLWithPath: directory))
            #expect(count == 539)
        }
    }

    /// The other formats are decoded as before, with grey as Pillow's and 8 bits as 257 v.
    @Test func allFormatsBecomeGreyAndSixteenBits() throws {
        for (name, bytes) in try formatFiles() {
            let image = try ImageDecoder.decode(bytes)
            let grey = try ImageDecoder.decode(bytes, as: PixelFormat(channels: 1, depth: 8))
            try #require(grey.pixels.count * 3 == image.pixels.count, "\(name)")
            var (isLuma, isClose) = (true, true)
            let deep = try ImageDecoder.decode(bytes, as: PixelFormat(channels: 3, depth: 16))
            try #require(deep.pixels.count == 2 * image.pixels.count, "\(name)")
            for pixel in grey.pixels.indices {
                let (red, green, blue) = (
                    image.pixels[3 * pixel], image.pixels[3 * pixel + 1], image.pixels[3 * pixel + 2]
                )
                let sum = 19_595 * UInt32(red) + 38_470 * UInt32(green) + 7_471 * UInt32(blue) + 32_768
                isLuma = isLuma && UInt32(grey.pixels[pixel]) == sum >> 16
            }
            for index in image.pixels.indices {
                let value = Int(deep.pixels[2 * index]) + Int(deep.pixels[2 * index + 1]) << 8
                isClose = isClose && abs(value - 257 * Int(image.pixels[index])) <= 257
            }
            #expect(isLuma && isClose, "\(name)")
        }
    }

    @Test func limitAndMemoryAreAskedBeforeDecoding() throws {
        struct Refusal: Error {}
        for expectation in try bandExpectations() {
            let bytes = try expectation.bytes
            let format = expectation.format
            let image = try ImageDecoder.decode(bytes, as: format)
            let count = image.width * image.height
            #expect(throws: Never.self) { try ImageDecoder.decode(bytes, as: format, pixelLimit: count) }
            let failure = #expect(throws: Failure.self) {
                try ImageDecoder.decode(bytes, as: format, pixelLimit: count - 1)
            }
            #expect(failure?.hint.contains("at most \(count - 1) pixels") == true, "\(expectation.name)")
            #expect(throws: Refusal.self, "\(expectation.name)") {
                try ImageDecoder.decode(bytes, as: format) { header in
                    let isEnough = header.decodingBytes >= format.bytesPerPixel * count
                    #expect(header.width * header.height == count && isEnough, "\(expectation.name)")
                    throw Refusal()
                }
            }
        }
    }

    private func bandExpectations() throws -> [Expectation] {
        try FileManager.default.contentsOfDirectory(at: bands(), includingPropertiesForKeys: nil)
            .compactMap { try Expectation($0) }.filter { !$0.isRefused }
    }

    /// The beginning of a file is refused, unless only a marker of its end is missing.
    @Test func noBeginningOfAFileIsAnotherImage() throws {
        // Of several pages, the first alone may be there.
        let whole = try bandExpectations().filter { $0.format.depth == 16 }
        for expectation in whole where !(expectation.isOfPages && expectation.format.channels == 1) {
            let whole = try expectation.bytes
            let image = try ImageDecoder.decode(whole, as: expectation.format)
            for count in stride(from: 0, to: whole.count, by: whole.count / 200 + 1) {
                guard let other = try? ImageDecoder.decode(Array(whole[..<count]), as: expectation.format) else {
                    continue
                }
                let isSame = other == image
                #expect(isSame && count >= whole.count - 16, "\(expectation.name): \(count) of \(whole.count) bytes")
            }
        }
    }
}
