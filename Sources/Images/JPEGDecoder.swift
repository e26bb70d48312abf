import CTurboJPEG
import Files

/// A TurboJPEG decompressor with its default, accurate transforms, for one image.
///
/// For one, because after damaged data TurboJPEG 2.1 goes on in the middle of a header and rejects the next image,
/// too; making a decompressor takes microseconds.
struct JPEGDecoder: ~Copyable {
    private let handle: tjhandle

    init() throws {
        guard let handle = tjInitDecompress() else {
            throw Failure("cannot start the JPEG decoder", hint: "free some memory")
        }
        self.handle = handle
    }

    deinit { tjDestroy(handle) }

    func decode(_ bytes: UnsafeRawBufferPointer) throws -> Image {
        let start = bytes.bindMemory(to: UInt8.self).baseAddress!
        var width: Int32 = 0
        var height: Int32 = 0
        var subsampling: Int32 = 0
        var colours: Int32 = 0
        let status = tjDecompressHeader3(
            handle, start, UInt(bytes.count), &width, &height, &subsampling, &colours)
        guard status == 0 || isWarning else { throw undecodable(message) }
        let count = try Image.pixelCount(width: Int(width), height: Int(height))

        let hasFourInks = colours == TJCS_CMYK.rawValue || colours == TJCS_YCCK.rawValue
        let channels = hasFourInks ? 4 : 3
        let format = hasFourInks ? TJPF_CMYK : TJPF_RGB
        let values = try [UInt8](unsafeUninitializedCapacity: count * channels) { values, initialised in
            let status = tjDecompress2(
                handle, start, UInt(bytes.count), values.baseAddress!, width, 0, height, Int32(format.rawValue), 0)
            if status != 0 { try rejectUnlessHarmless(bytes) }
            initialised = count * channels
        }
        return try Image(
            width: Int(width), height: Int(height), pixels: hasFourInks ? rgbFromInvertedInks(values) : values)
    }

    private var isWarning: Bool { tjGetErrorCode(handle) == TJERR_WARNING.rawValue }

    private var message: String { String(cString: tjGetErrorStr2(handle)) }

    /// After a warning the image is there, but where the data ended early its rest is grey.
    ///
    /// Only the first of several warnings is kept, so after another one the end marker is looked for as well:
    /// a whole file has it behind the start of its last scan.
    private func rejectUnlessHarmless(_ bytes: UnsafeRawBufferPointer) throws {
        guard isWarning else { throw undecodable(message) }
        if message.contains("Premature end") || !endsBehindLastScan(bytes) {
            throw undecodable("the JPEG data end early")
        }
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
}

/// RGB from CMYK as JPEG files hold it, inverted: with c, k in 0...255 as stored, r = k - (255 - c) k / 255, the
/// product rounded to the nearest. This is what Pillow's `convert("RGB")` gives.
private func rgbFromInvertedInks(_ inks: [UInt8]) -> [UInt8] {
    let count = inks.count / 4
    return [UInt8](unsafeUninitializedCapacity: count * 3) { pixels, initialised in
        for pixel in 0..<count {
            let black = Int32(inks[4 * pixel + 3])
            for channel in 0..<3 {
                let product = (255 - Int32(inks[4 * pixel + channel])) * black + 128
                pixels[3 * pixel + channel] = UInt8(black - (product >> 8 + product) >> 8)
            }
        }
        initialised = count * 3
    }
}
