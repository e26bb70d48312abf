import Base
import CPNG

/// Decodes a PNG of any kind through libpng's simplified interface.
///
/// Decoded with alpha, which is then dropped: libpng would otherwise blend with a background. 16-bit values are
/// taken as sRGB, as the 8-bit ones are.
func decodePNG(
    _ bytes: UnsafeRawBufferPointer, pixelLimit: Int, reserve: (ImageHeader) throws -> Void
) throws -> Image {
    var reader = png_image()
    reader.version = png_uint_32(PNG_IMAGE_VERSION)
    defer { png_image_free(&reader) }
    guard png_image_begin_read_from_memory(&reader, bytes.baseAddress!, bytes.count) != 0 else {
        throw undecodable(message(of: reader))
    }
    let width = Int(reader.width)
    let height = Int(reader.height)
    // Deflate expands a byte to at most 1032, and a pixel takes at least a bit.
    let count = try Image.pixelCount(
        width: width, height: height, byteCount: bytes.count, pixelsPerByte: 8 * 1032, limit: pixelLimit)
    // Rows of the file, of up to 8 bytes a pixel, in addition to the image.
    try reserve(ImageHeader(width: width, height: height, decodingBytes: 4 * count + 32 * width + 1 << 20))
    reader.format = UInt32(PNG_FORMAT_FLAG_COLOR | PNG_FORMAT_FLAG_ALPHA)
    reader.flags |= UInt32(PNG_IMAGE_FLAG_16BIT_sRGB)

    let pixels = try [UInt8](unsafeUninitializedCapacity: count * 4) { values, initialised in
        guard png_image_finish_read(&reader, nil, values.baseAddress!, 0, nil) != 0 else {
            throw undecodable(message(of: reader))
        }
        // In place: a value never moves to a later position.
        for pixel in 0..<count {
            for channel in 0..<3 { values[3 * pixel + channel] = values[4 * pixel + channel] }
        }
        initialised = count * 3
    }
    return try Image(width: width, height: height, pixels: pixels)
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
