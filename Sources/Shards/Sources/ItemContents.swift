import Images

/// The contents of a source for one image.
enum ItemContents {
    case file([UInt8])
    /// The red, green and blue values of an image of CIFAR-10's size, channel after channel.
    case planes([UInt8])

    /// Throws `Failure` if the image cannot be decoded.
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

    /// Nil for other kinds of files.
    var jpegFile: [UInt8]? {
        if case .file(let bytes) = self, bytes.starts(with: [0xFF, 0xD8, 0xFF]) { bytes } else { nil }
    }
}
