import Base

/// What the header of an image says.
package struct ImageHeader: Sendable {
    package let width: Int
    package let height: Int
    /// Memory that decoding takes at most, with the decoded image.
    package let decodingBytes: Int
}

/// Decodes images of every `ImageKind` to RGB of 8 bits.
package enum ImageDecoder {
    /// The most pixels of an image that is decoded, unless another limit is given: small files can hold huge images.
    package static let pixelLimit = 200_000_000

    package static func isJPEG(_ bytes: some Sequence<UInt8>) -> Bool { bytes.starts(with: [0xFF, 0xD8, 0xFF]) }

    /// The image in `bytes`, of the kind that its first bytes tell; of several images in a file, the first.
    ///
    /// `reserve` is called with the header before memory is allocated. Grey becomes RGB, alpha is dropped. Throws `Failure` if the bytes are
    /// of another kind, corrupt or truncated, or claim more than `pixelLimit` pixels, and what `reserve` throws.
    package static func decode(
        _ bytes: [UInt8], pixelLimit: Int = ImageDecoder.pixelLimit,
        reserve: (ImageHeader) throws -> Void = { try requireMemory($0) }
    ) throws -> Image {
        guard let kind = ImageKind(of: bytes) else {
            throw undecodable(bytes.isEmpty ? "the file is empty" : "not an image of a known kind")
        }
        return try bytes.withUnsafeBytes { bytes in
            switch kind {
            case .jpeg:
                var decoder = try JPEGDecoder(pixelLimit: pixelLimit)
                return try decoder.image(bytes, reserve: reserve)
            case .png: return try decodePNG(bytes, pixelLimit: pixelLimit, reserve: reserve)
            case .webP: return try decodeWebP(bytes, pixelLimit: pixelLimit, reserve: reserve)
            case .gif: return try decodeGIF(bytes, pixelLimit: pixelLimit, reserve: reserve)
            case .tiff: return try decodeTIFF(bytes, pixelLimit: pixelLimit, reserve: reserve)
            case .bmp: return try decodeBMP(bytes, pixelLimit: pixelLimit, reserve: reserve)
            case .pnm: return try decodePNM(bytes, pixelLimit: pixelLimit, reserve: reserve)
            }
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
