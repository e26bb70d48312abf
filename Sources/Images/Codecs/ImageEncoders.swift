import Base
import CPNG
import CTurboJPEG

package enum JPEGEncoder {
    /// Chroma subsampling.
    package enum Subsampling: Sendable {
        /// 4:4:4.
        case none
        /// 4:2:0.
        case halved
    }

    /// `quality` is 1...100. Throws `Failure` if the image is larger than JPEG allows.
    package static func encode(_ image: Image, quality: Int = 95, subsampling: Subsampling = .halved) throws -> [UInt8]
    {
        guard let handle = tjInitCompress() else {
            throw Failure("cannot start the JPEG encoder", hint: "free some memory")
        }
        defer { tjDestroy(handle) }
        var encoded: UnsafeMutablePointer<UInt8>?
        var count: UInt = 0
        defer { tjFree(encoded) }
        let layout = subsampling == .halved ? TJSAMP_420 : TJSAMP_444
        let status = tjCompress2(
            handle, image.pixels, Int32(image.width), 0, Int32(image.height), Int32(TJPF_RGB.rawValue), &encoded,
            &count, Int32(layout.rawValue), Int32(quality), 0)
        guard status == 0, let encoded else {
            throw Failure(
                "cannot encode \(image.width) x \(image.height) pixels as JPEG: "
                    + String(cString: tjGetErrorStr2(handle)),
                hint: "make the image smaller")
        }
        return Array(UnsafeBufferPointer(start: encoded, count: Int(count)))
    }
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
            let isWritten = png_image_write_to_memory(
                &writer, encoded.baseAddress!, &count, 0, image.pixels, 0, nil)
            guard isWritten != 0 else {
                throw Failure(
                    "cannot encode \(image.width) x \(image.height) pixels as PNG: \(message(of: writer))",
                    hint: "make the image smaller")
            }
            initialised = count
        }
    }
}
