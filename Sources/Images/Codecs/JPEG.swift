import Base
import CJPEG
import CTurboJPEG

/// A decompressor of libjpeg with its default, accurate transforms.
///
/// Keeps its memory: after the largest image only the library itself allocates.
package struct JPEGDecoder: ~Copyable {
    /// The header of an image.
    private struct Header {
        let width: Int
        let height: Int
        let hasFourInks: Bool
        let pixelCount: Int

        /// Values of a pixel as the library gives them.
        var channels: Int { hasFourInks ? 4 : 3 }

        /// The decoded image, and the coefficients of all of it, which the library keeps for an image of several scans.
        var image: ImageHeader {
            ImageHeader(width: width, height: height, decodingBytes: 3 * channels * pixelCount + 1 << 20)
        }
    }

    private let state: UnsafeMutablePointer<crate_jpeg>
    private var buffer: OwnedBuffer<UInt8>
    private let pixelLimit: Int

    /// A decoder of images of up to `pixelLimit` pixels. Throws `Failure` if memory is short.
    package init(pixelLimit: Int = ImageDecoder.pixelLimit) throws {
        let buffer = try OwnedBuffer<UInt8>(count: 0)
        guard let state = crate_jpeg_new() else {
            throw Failure("cannot start the JPEG decoder", hint: "free some memory")
        }
        self.state = state
        self.buffer = buffer
        self.pixelLimit = pixelLimit
    }

    deinit { crate_jpeg_free(state) }

    /// The pixels of the last image decoded by `decode(_:)`, (row, column, channel).
    package var pixels: UnsafePointer<UInt8> { UnsafePointer(buffer.pointer) }

    /// Decodes `bytes` to `pixels` and returns the image's size.
    ///
    /// Throws `Failure` if the bytes are corrupt or truncated, or claim too many pixels, and `MachineFailure` if memory is short.
    package mutating func decode(_ bytes: UnsafeRawBufferPointer) throws -> (width: Int, height: Int) {
        let header = try header(of: bytes)
        let count = header.pixelCount * header.channels
        do {
            try ImageDecoder.requireMemory(header.image)
            if buffer.count < count { buffer = try OwnedBuffer(count: count) }
        } catch let shortage as Failure {
            throw MachineFailure(shortage)
        }
        try decode(header, into: buffer.pointer)
        return (header.width, header.height)
    }

    /// Calls `reserve` before memory is allocated. Throws `Failure` as `decode(_:)` does, and what `reserve` throws.
    mutating func image(_ bytes: UnsafeRawBufferPointer, reserve: (ImageHeader) throws -> Void) throws -> Image {
        let header = try header(of: bytes)
        try reserve(header.image)
        let count = header.pixelCount
        let pixels = try [UInt8](unsafeUninitializedCapacity: count * header.channels) { values, initialised in
            try decode(header, into: values.baseAddress!)
            initialised = count * 3
        }
        return try Image(width: header.width, height: header.height, pixels: pixels)
    }

    private mutating func header(of bytes: UnsafeRawBufferPointer) throws -> Header {
        guard let start = bytes.bindMemory(to: UInt8.self).baseAddress else { throw undecodable("the file is empty") }
        guard crate_jpeg_read_header(state, start, bytes.count) != 0 else { throw problem }
        let (width, height) = (
            Int(state.pointee.decompressor.image_width), Int(state.pointee.decompressor.image_height)
        )
        return Header(
            width: width, height: height, hasFourInks: crate_jpeg_has_inks(state) != 0,
            // Each block of 8 x 8 pixels takes at least a bit.
            pixelCount: try Image.pixelCount(
                width: width, height: height, byteCount: bytes.count, pixelsPerByte: 8 * 64, limit: pixelLimit))
    }

    /// Without its end marker the rest of an image is grey. Anything behind the marker, such as a film or another image, is none of it.
    private mutating func decode(_ header: Header, into values: UnsafeMutablePointer<UInt8>) throws {
        guard crate_jpeg_read_pixels(state, values) != 0 else { throw problem }
        guard state.pointee.ends_early == 0 else { throw undecodable("the JPEG data end early") }
        if header.hasFourInks { convertInvertedInks(values, count: header.pixelCount) }
    }

    /// The failure after a call that failed.
    private var problem: Failure {
        undecodable(
            withUnsafeBytes(of: state.pointee.problem) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) })
    }
}

/// RGB from CMYK as JPEG files hold it, inverted, in place: with c, k in 0...255 as stored, r = k - (255 - c) k / 255, the
/// product rounded to the nearest. This is what Pillow's `convert("RGB")` gives.
private func convertInvertedInks(_ values: UnsafeMutablePointer<UInt8>, count: Int) {
    for pixel in 0..<count {
        let black = Int32(values[4 * pixel + 3])
        for channel in 0..<3 {
            let product = (255 - Int32(values[4 * pixel + channel])) * black + 128
            values[3 * pixel + channel] = UInt8(black - (product >> 8 + product) >> 8)
        }
    }
}

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
            throw unencodable(image, as: "JPEG", String(cString: tjGetErrorStr2(handle)))
        }
        return Array(UnsafeBufferPointer(start: encoded, count: Int(count)))
    }
}
