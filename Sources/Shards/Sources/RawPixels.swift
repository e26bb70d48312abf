import Base
import Images

/// How the values of an image without a file format lie in its bytes: row after row, of 8 or 16 bits.
struct RawPixels: Equatable, Sendable {
    /// What the extents of an image mean.
    private struct Layout {
        let height, width, channels: Int
        /// Whether a whole channel follows another one, and not the channels of a pixel each other.
        let isPlanar: Bool
        /// The channels that are kept: of four, for grey or RGB, the fourth is an opacity, which is dropped as in PNG files.
        let kept: Int
    }

    /// The extents of an image: (height, width), (height, width, channels), or (channels, height, width) where the first one has no
    /// meaning for the channels that are asked for.
    private let extents: [Int]
    let depth: Int
    private let isBigEndian: Bool
    /// What has the images, in messages.
    private let name: String

    static let cifar = RawPixels(uncheckedExtents: [3, 32, 32], depth: 8, isBigEndian: false, name: "CIFAR")

    /// Throws `Failure` if the size is empty or beyond the limits of images; `name` is what has it.
    init(extents: [Int], depth: Int, isBigEndian: Bool, name: String) throws {
        let (total, overflow) = extents.reduce((1, false)) { product, extent in
            let (next, isTooLarge) = product.0.multipliedReportingOverflow(by: extent)
            return (next, product.1 || isTooLarge)
        }
        let most = Image.maximumPixelCount * PixelFormat.maximumChannels
        guard extents.allSatisfy({ (1...1 << 20).contains($0) }), !overflow, total <= most else {
            let shape = extents.map(String.init).joined(separator: " x ")
            throw Failure("\(name) has images of \(shape) values", hint: "store (N, H, W, C) or (N, H, W)")
        }
        self.init(uncheckedExtents: extents, depth: depth, isBigEndian: isBigEndian, name: name)
    }

    private init(uncheckedExtents extents: [Int], depth: Int, isBigEndian: Bool, name: String) {
        (self.extents, self.depth, self.isBigEndian, self.name) = (extents, depth, isBigEndian, name)
    }

    var byteCount: Int { extents.reduce(depth / 8, *) }

    /// Throws `Failure` unless its images become images of `format`.
    func require(_ format: PixelFormat) throws { _ = try layout(for: format) }

    /// The size of its images, and their channels.
    func extents(for format: PixelFormat) throws -> (width: Int, height: Int, channels: Int) {
        let layout = try layout(for: format)
        return (layout.width, layout.height, layout.channels)
    }

    private func layout(for format: PixelFormat) throws -> Layout {
        func layout(_ channels: Int, height: Int, width: Int, isPlanar: Bool) -> Layout? {
            let dropsAlpha = channels == 4 && format.accepts(channels: 3)
            guard format.accepts(channels: channels) || dropsAlpha else { return nil }
            return Layout(
                height: height, width: width, channels: channels, isPlanar: isPlanar, kept: dropsAlpha ? 3 : channels)
        }
        let found =
            extents.count == 2
            ? layout(1, height: extents[0], width: extents[1], isPlanar: false)
            : layout(extents[2], height: extents[0], width: extents[1], isPlanar: false)
                ?? layout(extents[0], height: extents[1], width: extents[2], isPlanar: true)
        guard let found else {
            let channels = extents.count == 2 ? 1 : extents[2]
            throw Failure(
                "\(name) has images of \(channels) channel\(channels == 1 ? "" : "s"), \(format.channels) are asked for",
                hint: channels <= PixelFormat.maximumChannels
                    ? "choose --channels \(channels), or store (N, H, W, C)" : "store (N, H, W, C) or (N, H, W)")
        }
        return found
    }

    /// What reading and decoding an image takes. Throws `Failure` if it has more than `pixelLimit` pixels.
    func header(as format: PixelFormat, pixelLimit: Int) throws -> ImageHeader {
        let layout = try layout(for: format)
        let count = layout.width * layout.height
        guard count <= pixelLimit else {
            throw Failure(
                "an image of \(layout.width) x \(layout.height) pixels is too large", hint: "raise --max-pixels")
        }
        try format.requireSize(width: layout.width, height: layout.height, pixelLimit: pixelLimit)
        // The bytes, the values that are kept, and what they become.
        let own = try PixelFormat(channels: layout.kept, depth: depth)
        return ImageHeader(
            width: layout.width, height: layout.height,
            decodingBytes: byteCount + (own.bytesPerPixel + own.conversionBytes(to: format)) * count)
    }

    /// The image of `bytes`. Throws `Failure` if they are more or fewer.
    func image(_ bytes: [UInt8], as format: PixelFormat) throws -> Image {
        let layout = try layout(for: format)
        let count = layout.width * layout.height
        guard bytes.count == byteCount else {
            throw Failure("\(bytes.count) bytes are no image of \(byteCount)", hint: "fetch the file again")
        }
        let own = try PixelFormat(channels: layout.kept, depth: depth)
        let (pixel, channel) = layout.isPlanar ? (1, count) : (layout.channels, 1)
        let size = depth / 8
        let swap = isBigEndian ? size - 1 : 0
        let pixels = [UInt8](unsafeUninitializedCapacity: own.bytesPerPixel * count) { pixels, initialised in
            var target = 0
            for index in 0..<count {
                for kept in 0..<layout.kept {
                    let source = (index * pixel + kept * channel) * size
                    for byte in 0..<size {
                        pixels[target] = bytes[source + (byte ^ swap)]
                        target += 1
                    }
                }
            }
            initialised = target
        }
        return try Image(width: layout.width, height: layout.height, pixels: pixels, format: own).converted(to: format)
    }
}
