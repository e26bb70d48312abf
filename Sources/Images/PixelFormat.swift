import Base

/// What a pixel consists of: how many channels, and how many bits each.
package struct PixelFormat: Hashable, Sendable {
    /// Most channels of an image.
    package static let maximumChannels = 256
    /// Red, green and blue of 8 bits (sRGB).
    package static let rgb = PixelFormat(uncheckedChannels: 3, depth: 8)

    package let channels: Int
    /// Bits of a value: 8, or 16, which lie little-endian in memory and in files.
    package let depth: Int

    /// Throws `Failure` unless `channels` is in 1...`maximumChannels` and `depth` is 8 or 16.
    package init(channels: Int, depth: Int) throws {
        guard (1...Self.maximumChannels).contains(channels) else {
            throw Failure(
                "\(channels) channels are not in 1...\(Self.maximumChannels)",
                hint: "choose --channels 1 for grey, 3 for RGB, or the number of bands")
        }
        guard depth == 8 || depth == 16 else {
            throw Failure("values of \(depth) bits are not stored", hint: "choose --depth 8 or 16")
        }
        self.init(uncheckedChannels: channels, depth: depth)
    }

    private init(uncheckedChannels channels: Int, depth: Int) { (self.channels, self.depth) = (channels, depth) }

    package var bytesPerValue: Int { depth / 8 }
    package var bytesPerPixel: Int { channels * bytesPerValue }
    /// The largest value, 2^depth - 1.
    package var highest: Int { 1 << depth - 1 }
    /// Vectors of 16 values until one begins with a pixel's first channel again.
    package static func vectorPeriod(channels: Int) -> Int {
        (1...channels).first { $0 * 16 % channels == 0 } ?? channels
    }

    /// The value that is stored at `place`.
    @inline(__always)
    package func value(at place: UnsafeRawPointer) -> Int {
        depth == 8
            ? Int(place.load(as: UInt8.self)) : Int(UInt16(littleEndian: place.loadUnaligned(as: UInt16.self)))
    }

    /// Whether pixels have colours, so that operations on colours have a meaning.
    package var isRGB: Bool { channels == 3 }
}

extension PixelFormat: CustomStringConvertible {
    package var description: String { "\(channels) channel\(channels == 1 ? "" : "s") of \(depth) bits" }
}
