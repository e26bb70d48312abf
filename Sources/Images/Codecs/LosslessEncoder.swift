import Base
import CZlib

/// Encodes images of any pixel format without loss, so that decoding gives the same values.
package enum LosslessEncoder {
    /// The suffix of a file of images of this format: "png" for 1 and 3 channels, "tif" for others.
    package static func suffix(for format: PixelFormat) -> String { isPNG(format) ? "png" : "tif" }

    /// A PNG of grey or RGB in 8 or 16 bits; of other numbers of channels an uncompressed TIFF of as many bands.
    ///
    /// Throws `Failure` if the image is larger than its format allows.
    package static func encode(_ image: Image) throws -> [UInt8] {
        if image.format == .rgb { return try PNGEncoder.encode(image) }
        return isPNG(image.format) ? try encodePNG(image) : try encodeTIFF(image)
    }

    private static func isPNG(_ format: PixelFormat) -> Bool { [1, 3].contains(format.channels) }
}

/// A PNG written chunk by chunk: libpng's simplified interface marks values of 16 bits as linear ones, which they are not.
private func encodePNG(_ image: Image) throws -> [UInt8] {
    let (rowBytes, pixelBytes) = (image.width * image.format.bytesPerPixel, image.format.bytesPerPixel)
    var rows: [UInt8] = []
    rows.reserveCapacity(image.height * (rowBytes + 1))
    for row in 0..<image.height {
        // The filter Sub: each byte less that of the pixel to the left.
        rows.append(1)
        for column in 0..<rowBytes {
            func value(_ column: Int) -> UInt8 {
                guard column >= 0 else { return 0 }
                // Stored little-endian, and big-endian in PNG.
                return image.pixels[row * rowBytes + (image.format.depth == 16 ? column ^ 1 : column)]
            }
            rows.append(value(column) &- value(column - pixelBytes))
        }
    }
    let header =
        bigEndian(UInt32(image.width)) + bigEndian(UInt32(image.height))
        + [UInt8(image.format.depth), image.format.isRGB ? 2 : 0, 0, 0, 0]
    return [0x89, 0x50, 0x4E, 0x47, 0x0D, 0x0A, 0x1A, 0x0A] + pngChunk("IHDR", header)
        + pngChunk("IDAT", try deflated(rows)) + pngChunk("IEND", [])
}

private func pngChunk(_ name: String, _ contents: [UInt8]) -> [UInt8] {
    let named = Array(name.utf8) + contents
    return bigEndian(UInt32(contents.count)) + named + bigEndian(Checksum(of: named).value)
}

private func bigEndian(_ value: UInt32) -> [UInt8] { withUnsafeBytes(of: value.bigEndian, Array.init) }

private func deflated(_ bytes: [UInt8]) throws -> [UInt8] {
    var count = compressBound(uLong(bytes.count))
    return try [UInt8](unsafeUninitializedCapacity: Int(count)) { target, initialised in
        guard compress2(target.baseAddress, &count, bytes, uLong(bytes.count), 6) == Z_OK else {
            throw Failure("cannot compress \(bytes.count) bytes", hint: "free some memory")
        }
        initialised = Int(count)
    }
}

/// A baseline TIFF, little-endian, of one strip of pixels, all bands of a pixel together. Bands behind the first are extra samples of no
/// given meaning.
private func encodeTIFF(_ image: Image) throws -> [UInt8] {
    let (channels, depth) = (image.format.channels, image.format.depth)
    guard image.pixels.count < Int(UInt32.max) - 1 << 16 else {
        throw unencodable(image, as: "TIFF", "it has more than 4 GiB")
    }
    var entries: [(tag: Int, values: [Int], isLong: Bool)] = [
        (256, [image.width], true), (257, [image.height], true),
        (258, [Int](repeating: depth, count: channels), false), (259, [1], false), (262, [1], false),
        (273, [0], true), (277, [channels], false), (278, [image.height], true),
        (279, [image.pixels.count], true), (284, [1], false),
        (338, [Int](repeating: 0, count: channels - 1), false),
    ]
    let tablesStart = 8 + 2 + 12 * entries.count + 4
    // Two tables of short numbers, which do not fit their entries if they have more than two.
    let tableBytes = entries.reduce(0) { $0 + ($1.values.count > 2 ? 2 * $1.values.count : 0) }
    entries[5].values = [tablesStart + tableBytes]

    func little(_ value: Int, _ count: Int) -> [UInt8] {
        (0..<count).map { UInt8(truncatingIfNeeded: value >> (8 * $0)) }
    }
    var (directory, tables): ([UInt8], [UInt8]) = ([], [])
    for (tag, values, isLong) in entries {
        let stored = values.flatMap { little($0, isLong ? 4 : 2) }
        directory += little(tag, 2) + little(isLong ? 4 : 3, 2) + little(values.count, 4)
        if stored.count > 4 {
            directory += little(tablesStart + tables.count, 4)
            tables += stored
        } else {
            directory += stored + [UInt8](repeating: 0, count: 4 - stored.count)
        }
    }
    return [0x49, 0x49, 42, 0] + little(8, 4) + little(entries.count, 2) + directory + little(0, 4) + tables
        + image.pixels
}
