import Base
import CTurboJPEG

/// A TurboJPEG decompressor with its default, accurate transforms.
///
/// Keeps its memory: after the largest image only the library itself allocates.
package struct JPEGDecoder: ~Copyable {
    /// The header of an image.
    private struct Header {
        let width: Int32
        let height: Int32
        let isClean: Bool
        let hasFourInks: Bool
        let pixelCount: Int

        /// The decoded image, and the coefficients of all of it, which the library keeps for an image of several scans.
        var image: ImageHeader {
            let inks = hasFourInks ? 4 : 3
            return ImageHeader(
                width: Int(width), height: Int(height), decodingBytes: 3 * inks * pixelCount + 1 << 20)
        }
    }

    private var handle: tjhandle
    /// Whether TurboJPEG reported a warning or an error for the last image.
    private var isTainted = false
    private var buffer: OwnedBuffer<UInt8>
    private let pixelLimit: Int

    /// A decoder of images of up to `pixelLimit` pixels. Throws `Failure` if memory is short.
    package init(pixelLimit: Int = ImageDecoder.pixelLimit) throws {
        let buffer = try OwnedBuffer<UInt8>(count: 0)
        handle = try JPEGDecoder.start()
        self.buffer = buffer
        self.pixelLimit = pixelLimit
    }

    deinit { tjDestroy(handle) }

    /// The pixels of the last image decoded by `decode(_:)`, (row, column, channel).
    package var pixels: UnsafePointer<UInt8> { UnsafePointer(buffer.pointer) }

    /// Decodes `bytes` to `pixels` and returns the image's size.
    ///
    /// Throws `Failure` if the bytes are corrupt or truncated, or claim too many pixels, and `MachineFailure` if memory is short.
    package mutating func decode(_ bytes: UnsafeRawBufferPointer) throws -> (width: Int, height: Int) {
        let header = try header(of: bytes)
        let count = header.pixelCount * (header.hasFourInks ? 4 : 3)
        do {
            try ImageDecoder.requireMemory(header.image)
            if buffer.count < count { buffer = try OwnedBuffer(count: count) }
        } catch let shortage as Failure {
            throw MachineFailure(shortage)
        }
        try decode(bytes, header, into: buffer.pointer)
        return (Int(header.width), Int(header.height))
    }

    /// Calls `reserve` before memory is allocated. Throws `Failure` as `decode(_:)` does, and what `reserve` throws.
    mutating func image(_ bytes: UnsafeRawBufferPointer, reserve: (ImageHeader) throws -> Void) throws -> Image {
        let header = try header(of: bytes)
        try reserve(header.image)
        let count = header.pixelCount
        let pixels = try [UInt8](unsafeUninitializedCapacity: count * (header.hasFourInks ? 4 : 3)) {
            values, initialised in
            try decode(bytes, header, into: values.baseAddress!)
            initialised = count * 3
        }
        return try Image(width: Int(header.width), height: Int(header.height), pixels: pixels)
    }

    private mutating func header(of bytes: UnsafeRawBufferPointer) throws -> Header {
        guard let start = bytes.bindMemory(to: UInt8.self).baseAddress else { throw undecodable("the file is empty") }
        if isTainted {
            // After corrupt data TurboJPEG 2.1 continues in the middle of a header and rejects the next image, too.
            let fresh = try JPEGDecoder.start()
            tjDestroy(handle)
            handle = fresh
        }
        isTainted = true
        var (width, height, subsampling, colours): (Int32, Int32, Int32, Int32) = (0, 0, 0, 0)
        let status = tjDecompressHeader3(
            handle, start, UInt(bytes.count), &width, &height, &subsampling, &colours)
        guard status == 0 || isWarning else { throw undecodable(message) }
        return Header(
            width: width, height: height, isClean: status == 0,
            hasFourInks: colours == TJCS_CMYK.rawValue || colours == TJCS_YCCK.rawValue,
            // Each block of 8 x 8 pixels takes at least a bit.
            pixelCount: try Image.pixelCount(
                width: Int(width), height: Int(height), byteCount: bytes.count, pixelsPerByte: 8 * 64,
                limit: pixelLimit))
    }

    private mutating func decode(
        _ bytes: UnsafeRawBufferPointer, _ header: Header, into values: UnsafeMutablePointer<UInt8>
    ) throws {
        let start = bytes.bindMemory(to: UInt8.self).baseAddress!
        let format = header.hasFourInks ? TJPF_CMYK : TJPF_RGB
        // Without a limit, a small file of many empty scans takes minutes.
        let status = tjDecompress2(
            handle, start, UInt(bytes.count), values, header.width, 0, header.height, Int32(format.rawValue),
            TJFLAG_LIMITSCANS)
        if status != 0, let problem = rejection(of: bytes) { throw problem }
        isTainted = status != 0 || !header.isClean
        if header.hasFourInks { convertInvertedInks(values, count: header.pixelCount) }
    }

    private var isWarning: Bool { tjGetErrorCode(handle) == TJERR_WARNING.rawValue }

    private var message: String { String(cString: tjGetErrorStr2(handle)) }

    /// The failure after a failed call; nil after a harmless warning.
    ///
    /// After a warning the image is decoded, but its rest is grey if the data ended early. Only the first of several
    /// warnings is kept, so after another one the end marker is searched as well: an intact file has it after the start of
    /// its last scan.
    private func rejection(of bytes: UnsafeRawBufferPointer) -> Failure? {
        guard isWarning else { return undecodable(message) }
        let isShort = message.contains("Premature end") || !endsBehindLastScan(bytes)
        return isShort ? undecodable("the JPEG data end early") : nil
    }

    private func endsBehindLastScan(_ bytes: UnsafeRawBufferPointer) -> Bool {
        var index = bytes.count - 2
        while index >= 0 {
            if bytes[index] == 0xFF && bytes[index + 1] == 0xD9 { return true }
            if bytes[index] == 0xFF && bytes[index + 1] == 0xDA { return false }
            index -= 1
        }
        return false
    }

    private static func start() throws -> tjhandle {
        guard let handle = tjInitDecompress() else {
            throw Failure("cannot start the JPEG decoder", hint: "free some memory")
        }
        return handle
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
