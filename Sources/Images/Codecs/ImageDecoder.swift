import Base

/// What the header of an image says.
package struct ImageHeader: Sendable {
    package let width: Int
    package let height: Int
    /// Memory that decoding takes at most, with the decoded image.
    package let decodingBytes: Int
}

/// Decodes JPEG and PNG.
package enum ImageDecoder {
    /// The most pixels of an image that is decoded, unless another limit is given: small files can hold huge images.
    package static let pixelLimit = 200_000_000

    package static func isJPEG(_ bytes: some Sequence<UInt8>) -> Bool { bytes.starts(with: [0xFF, 0xD8, 0xFF]) }

    /// The image in `bytes`; the first bytes tell JPEG from PNG.
    ///
    /// `reserve` is called with the header before memory is allocated. Grey becomes RGB, alpha is dropped. Throws `Failure` if the bytes are
    /// of another kind, corrupt or truncated, or claim more than `pixelLimit` pixels, and what `reserve` throws.
    package static func decode(
        _ bytes: [UInt8], pixelLimit: Int = ImageDecoder.pixelLimit,
        reserve: (ImageHeader) throws -> Void = { try requireMemory($0) }
    ) throws -> Image {
        if isJPEG(bytes) {
            var decoder = try JPEGDecoder(pixelLimit: pixelLimit)
            return try bytes.withUnsafeBytes { try decoder.image($0, reserve: reserve) }
        }
        if bytes.starts(with: [0x89, 0x50, 0x4E, 0x47, 0x0D, 0x0A, 0x1A, 0x0A]) {
            return try bytes.withUnsafeBytes { try decodePNG($0, pixelLimit: pixelLimit, reserve: reserve) }
        }
        throw undecodable(bytes.isEmpty ? "the file is empty" : "neither a JPEG nor a PNG image")
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
