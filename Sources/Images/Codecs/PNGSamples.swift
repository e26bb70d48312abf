import Base
import CPNG

/// What the first chunk of a PNG says.
struct PNGHeader {
    let width, height, bits: Int
    /// Grey or RGB.
    let colours: Int
    let hasAlpha, isPalette: Bool

    /// Throws `Failure` if the file does not begin with that chunk.
    init(_ bytes: UnsafeRawBufferPointer) throws {
        let file = ImageBytes(bytes: bytes, isBigEndian: true)
        guard try file.integer(UInt32.self, at: 12) == 0x4948_4452 else {
            throw undecodable("the PNG data begin without a header")
        }
        width = Int(try file.integer(UInt32.self, at: 16))
        height = Int(try file.integer(UInt32.self, at: 20))
        bits = Int(try file.integer(UInt8.self, at: 24))
        let kind = try file.integer(UInt8.self, at: 25)
        (colours, hasAlpha, isPalette) = (kind & 2 == 0 ? 1 : 3, kind & 4 != 0, kind & 1 != 0)
    }

    /// Channels of the file.
    var channels: Int { colours + (hasAlpha ? 1 : 0) }

    /// Whether `format` has values that are not those of RGB of 8 bits: 16 bits, or an alpha channel. Throws `Failure` for channels that
    /// the file lacks.
    func hasSamples(for format: PixelFormat) throws -> Bool {
        guard format.accepts(channels: 3) else {
            try format.require(channels: channels)
            return true
        }
        return bits == 16 && format.depth == 16
    }
}

/// Decodes a PNG of 16 bits, or with its alpha, to `format`; values are taken as they are, whatever gamma or profile the file names.
func decodePNGSamples(
    _ bytes: UnsafeRawBufferPointer, as format: PixelFormat, pixelLimit: Int, reserve: (ImageHeader) throws -> Void
) throws -> Image {
    let header = try PNGHeader(bytes)
    let keepsAlpha = !format.accepts(channels: 3)
    let stored = try PixelFormat(
        channels: keepsAlpha ? header.channels : header.colours, depth: min(format.depth, header.bits == 16 ? 16 : 8))
    // Deflate expands a byte to at most 1032, and a pixel takes at least one.
    let count = try Image.pixelCount(
        width: header.width, height: header.height, byteCount: bytes.count, pixelsPerByte: 1032, limit: pixelLimit)
    // Rows of the file, of up to 8 bytes a pixel, in addition to the image.
    try reserve(
        ImageHeader(
            width: header.width, height: header.height,
            decodingBytes: (stored.bytesPerPixel + stored.conversionBytes(to: format)) * count + 32 * header.width
                + 4 << 20))
    var file = crate_png_file()
    file.bytes = bytes.bindMemory(to: UInt8.self).baseAddress
    file.count = bytes.count
    let byteCount = stored.bytesPerPixel * count
    let pixels = try [UInt8](unsafeUninitializedCapacity: byteCount) { values, initialised in
        let conversion = crate_png_conversion(
            to_rgb: 0, keeps_alpha: keepsAlpha ? 1 : 0, bits: Int32(stored.depth))
        let isRead = crate_png_read(
            &file, conversion, stored.bytesPerPixel * header.width, UInt32(header.height), values.baseAddress)
        guard isRead != 0 else {
            let text = withUnsafeBytes(of: file.problem) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
            throw undecodable(text.isEmpty ? "the PNG data cannot be read" : text.printable)
        }
        initialised = byteCount
    }
    return try Image(width: header.width, height: header.height, pixels: pixels, format: stored).converted(to: format)
}
