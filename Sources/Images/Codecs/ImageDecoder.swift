import Base

/// Decodes JPEG and PNG.
package enum ImageDecoder {
    package static func isJPEG(_ bytes: some Sequence<UInt8>) -> Bool { bytes.starts(with: [0xFF, 0xD8, 0xFF]) }

    /// The image in `bytes`; the first bytes tell JPEG from PNG.
    ///
    /// Grey becomes RGB, alpha is dropped. Throws `Failure` if the bytes are of another kind, corrupt or truncated, or claim more than
    /// `Image.maximumPixelCount` pixels.
    package static func decode(_ bytes: [UInt8]) throws -> Image {
        if isJPEG(bytes) {
            var decoder = try JPEGDecoder()
            return try bytes.withUnsafeBytes { try decoder.image($0) }
        }
        if bytes.starts(with: [0x89, 0x50, 0x4E, 0x47, 0x0D, 0x0A, 0x1A, 0x0A]) {
            return try bytes.withUnsafeBytes { try decodePNG($0) }
        }
        throw undecodable(bytes.isEmpty ? "the file is empty" : "neither a JPEG nor a PNG image")
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
