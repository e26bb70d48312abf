import Base
import CPNG

/// Decodes a PNG of any kind: alpha is dropped, and values are taken as they are, whatever gamma or profile the file names; see
/// `crate_png_conversion` for 16 bits.
func decodePNG(
    _ bytes: UnsafeRawBufferPointer, pixelLimit: Int, reserve: (ImageHeader) throws -> Void
) throws -> Image {
    let start = ImageBytes(bytes: bytes, isBigEndian: true)
    guard try start.integer(UInt32.self, at: 12) == 0x4948_4452 else {
        throw undecodable("the PNG data begin without a header")
    }
    let (width, height) = (try start.integer(UInt32.self, at: 16), try start.integer(UInt32.self, at: 20))
    // Deflate expands a byte to at most 1032, and a pixel takes at least a bit.
    let count = try Image.pixelCount(
        width: Int(width), height: Int(height), byteCount: bytes.count, pixelsPerByte: 8 * 1032, limit: pixelLimit)
    // Rows of the file, of up to 8 bytes a pixel, in addition to the image.
    try reserve(
        ImageHeader(width: Int(width), height: Int(height), decodingBytes: 3 * count + 32 * Int(width) + 1 << 20))
    var file = crate_png_file()
    file.bytes = bytes.bindMemory(to: UInt8.self).baseAddress
    file.count = bytes.count
    let pixels = try [UInt8](unsafeUninitializedCapacity: 3 * count) { values, initialised in
        let conversion = crate_png_conversion(to_rgb: 1, keeps_alpha: 0, bits: 8)
        guard crate_png_read(&file, conversion, 3 * Int(width), height, values.baseAddress) != 0 else {
            let text = withUnsafeBytes(of: file.problem) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
            throw undecodable(text.isEmpty ? "the PNG data cannot be read" : text)
        }
        initialised = 3 * count
    }
    return try Image(width: Int(width), height: Int(height), pixels: pixels)
}

/// libpng's last error message.
func message(of image: png_image) -> String {
    withUnsafeBytes(of: image.message) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
}

package enum PNGEncoder {
    /// An 8-bit RGB PNG. Throws `Failure` if the image is larger than libpng allows.
    package static func encode(_ image: Image) throws -> [UInt8] {
        var writer = png_image()
        writer.version = png_uint_32(PNG_IMAGE_VERSION)
        writer.width = UInt32(image.width)
        writer.height = UInt32(image.height)
        writer.format = UInt32(PNG_FORMAT_FLAG_COLOR)
        defer { png_image_free(&writer) }
        // An upper bound of the encoded size: zlib stores incompressible rows with a few bytes added to each block.
        let rows = image.pixels.count + image.height
        var count = rows + rows / 1000 + 65_536
        return try [UInt8](unsafeUninitializedCapacity: count) { encoded, initialised in
            guard png_image_write_to_memory(&writer, encoded.baseAddress!, &count, 0, image.pixels, 0, nil) != 0 else {
                throw unencodable(image, as: "PNG", message(of: writer))
            }
            initialised = count
        }
    }
}
