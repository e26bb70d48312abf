import Images

/// What a source holds for an image.
enum ItemContents {
    /// An image file.
    case file([UInt8])
    /// The red, green and blue values of an image of CIFAR-10's size, one channel after the other.
    case planes([UInt8])

    /// The decoded image. Throws `Failure` when it cannot be decoded.
    func image() throws -> Image {
        switch self {
        case .file(let bytes):
            return try ImageDecoder.decode(bytes)
        case .planes(let planes):
            let count = CIFAR10.side * CIFAR10.side
            let pixels = (0..<3 * count).map { planes[$0 % 3 * count + $0 / 3] }
            return try Image(width: CIFAR10.side, height: CIFAR10.side, pixels: pixels)
        }
    }

    /// The file, if it is a JPEG file.
    var jpegFile: [UInt8]? {
        if case .file(let bytes) = self, bytes.starts(with: [0xFF, 0xD8, 0xFF]) { bytes } else { nil }
    }
}
