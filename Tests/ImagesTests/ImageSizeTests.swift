import Base
import Foundation
import Images
import Testing

/// What a header says is held against limits before memory is allocated for it.
@Suite struct ImageSizeTests {
    /// A PNG of one bit a pixel that claims `side` x `side` pixels and whose data, of a plausible length, are missing.
    private func hugePNG(side: UInt32) -> [UInt8] {
        func word(_ value: UInt32) -> [UInt8] { withUnsafeBytes(of: value.bigEndian) { Array($0) } }
        func chunk(_ name: String, _ data: [UInt8]) -> [UInt8] {
            word(UInt32(data.count)) + Array(name.utf8) + data + word(Checksum(of: Array(name.utf8) + data).value)
        }
        return [0x89, 0x50, 0x4E, 0x47, 0x0D, 0x0A, 0x1A, 0x0A]
            + chunk("IHDR", word(side) + word(side) + [1, 0, 0, 0, 0])
            + chunk("IDAT", [UInt8](repeating: 0, count: 40_000))
    }

    @Test func moreThan200MegapixelsAreRefused() {
        let failure = #expect(throws: Failure.self) { try ImageDecoder.decode(hugePNG(side: 16_384)) }
        #expect(failure?.problem.contains("16384 x 16384 pixels") == true)
        #expect(failure?.hint.contains("at most 200000000 pixels") == true)
        let smaller = #expect(throws: Failure.self) { try ImageDecoder.decode(hugePNG(side: 200), pixelLimit: 39_999) }
        #expect(smaller?.hint.contains("at most 39999 pixels") == true)
    }

    /// The decoder of the loader, too.
    @Test func loadedImagesHaveTheLimit() throws {
        let picture = try JPEGEncoder.encode(Drawing.image(number: 0, label: 0, side: 64, seed: 0))
        var decoder = try JPEGDecoder(pixelLimit: 64 * 64 - 1)
        let failure = #expect(throws: Failure.self) { try picture.withUnsafeBytes { _ = try decoder.decode($0) } }
        #expect(failure?.hint.contains("at most 4095 pixels") == true)
        var other = try JPEGDecoder(pixelLimit: 64 * 64)
        #expect(try picture.withUnsafeBytes { try other.decode($0) } == (64, 64))
    }

    @Test func memoryIsAskedForBeforeDecoding() throws {
        struct Refusal: Error {}
        var asked: [Int] = []
        let jpeg = try JPEGEncoder.encode(Drawing.image(number: 0, label: 0, side: 64, seed: 0))
        for bytes in [hugePNG(side: 13_000), jpeg] {
            #expect(throws: Refusal.self) {
                try ImageDecoder.decode(bytes) { header in
                    asked.append(header.decodingBytes)
                    throw Refusal()
                }
            }
        }
        try #require(asked.count == 2)
        // The image and a row of the file; the image and its coefficients.
        #expect(asked[0] >= 3 * 13_000 * 13_000 + 8 * 13_000 && asked[1] >= 9 * 64 * 64)
    }
}
