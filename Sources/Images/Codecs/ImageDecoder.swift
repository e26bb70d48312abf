import Base

/// What the header of an image says.
package struct ImageHeader: Sendable {
    package let width: Int
    package let height: Int
    /// Memory that decoding takes at most, with the decoded image.
    package let decodingBytes: Int

    package init(width: Int, height: Int, decodingBytes: Int) {
        (self.width, self.height, self.decodingBytes) = (width, height, decodingBytes)
    }

    /// This header with `byteCount` bytes more that decoding takes.
    func adding(_ byteCount: Int) -> ImageHeader {
        ImageHeader(width: width, height: height, decodingBytes: decodingBytes + byteCount)
    }
}

/// Decodes images of every `ImageKind`.
package enum ImageDecoder {
    /// The most pixels of an image that is decoded, unless another limit is given: small files can hold huge images.
    package static let pixelLimit = 200_000_000

    package static func isJPEG(_ bytes: some Sequence<UInt8>) -> Bool { bytes.starts(with: [0xFF, 0xD8, 0xFF]) }

    /// The image in `bytes` in `format`, of the kind that its first bytes tell; of several images in a file, the first.
    ///
    /// For 1 and 3 channels grey and RGB become each other (see `Image.converted(to:)`), palettes are expanded, alpha is dropped. For others
    /// the file must have as many: samples of a TIFF or PAM, a PNG with alpha for 2 or 4, or the images of a TIFF with one each. Values of
    /// other ranges are scaled to that of the depth and rounded.
    ///
    /// `reserve` is called with the header before memory is allocated. Throws `Failure` if the bytes are of another kind, corrupt or
    /// truncated, of other channels, or claim more than `pixelLimit` pixels or the bytes of `PixelFormat.requireSize`, and what `reserve` throws.
    package static func decode(
        _ bytes: [UInt8], as format: PixelFormat = .rgb, pixelLimit: Int = ImageDecoder.pixelLimit,
        reserve: (ImageHeader) throws -> Void = { try requireMemory($0) }
    ) throws -> Image {
        guard let kind = ImageKind(of: bytes) else {
            throw undecodable(bytes.isEmpty ? "the file is empty" : "not an image of a known kind")
        }
        func bounded(_ header: ImageHeader) throws {
            try format.requireSize(width: header.width, height: header.height, pixelLimit: pixelLimit)
            try reserve(header)
        }
        return try bytes.withUnsafeBytes { bytes in
            switch kind {
            case .tiff: return try decodeTIFF(bytes, as: format, pixelLimit: pixelLimit, reserve: bounded)
            case .pnm: return try decodePNM(bytes, as: format, pixelLimit: pixelLimit, reserve: bounded)
            case .png where try format != .rgb && PNGHeader(bytes).hasSamples(for: format):
                return try decodePNGSamples(bytes, as: format, pixelLimit: pixelLimit, reserve: bounded)
            case .png, .jpeg, .webP, .gif, .bmp:
                guard format != .rgb else {
                    return try decodeRGB(bytes, kind, pixelLimit: pixelLimit, reserve: reserve)
                }
                guard format.accepts(channels: 3) else {
                    throw undecodable(
                        "a \(kind.rawValue) image is decoded to at most 3 channels, \(format.channels) are asked for")
                }
                let image = try decodeRGB(bytes, kind, pixelLimit: pixelLimit) {
                    try bounded($0.adding(PixelFormat.rgb.conversionBytes(to: format) * $0.width * $0.height))
                }
                return try image.converted(to: format)
            }
        }
    }

    /// RGB of 8 bits.
    private static func decodeRGB(
        _ bytes: UnsafeRawBufferPointer, _ kind: ImageKind, pixelLimit: Int, reserve: (ImageHeader) throws -> Void
    ) throws -> Image {
        switch kind {
        case .jpeg:
            var decoder = try JPEGDecoder(pixelLimit: pixelLimit)
            return try decoder.image(bytes, reserve: reserve)
        case .png: return try decodePNG(bytes, pixelLimit: pixelLimit, reserve: reserve)
        case .webP: return try decodeWebP(bytes, pixelLimit: pixelLimit, reserve: reserve)
        case .gif: return try decodeGIF(bytes, pixelLimit: pixelLimit, reserve: reserve)
        case .tiff: return try decodeTIFF(bytes, as: .rgb, pixelLimit: pixelLimit, reserve: reserve)
        case .bmp: return try decodeBMP(bytes, pixelLimit: pixelLimit, reserve: reserve)
        case .pnm: return try decodePNM(bytes, as: .rgb, pixelLimit: pixelLimit, reserve: reserve)
        }
    }

    /// Throws `Failure` if the memory to decode a large image is not free.
    package static func requireMemory(_ header: ImageHeader) throws {
        guard header.decodingBytes > 64 << 20, let free = availableMemory(), free < header.decodingBytes else { return }
        throw Failure(
            "an image of \(header.width) x \(header.height) pixels needs \(header.decodingBytes >> 20) MiB of memory and "
                + "\(free >> 20) are free",
            hint: "free some memory, or leave the image out")
    }
}

/// The failure of an image whose data cannot be decoded.
func undecodable(_ reason: String) -> Failure {
    Failure(reason, hint: "replace the file or leave it out")
}

/// The failure of an image that cannot be encoded in `format`.
func unencodable(_ image: Image, as format: String, _ reason: String) -> Failure {
    Failure(
        "cannot encode \(image.width) x \(image.height) pixels as \(format): \(reason)", hint: "make the image smaller")
}
