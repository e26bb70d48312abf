import Base

/// An image in memory: 8-bit sRGB values without alpha, or channels of any meaning.
package struct Image: Equatable, Sendable {
    package let width: Int
    package let height: Int
    package let format: PixelFormat
    /// The bytes of `height * width * channels` values in (row, column, channel) order.
    package var pixels: [UInt8]

    /// A bound, because a header can claim any size, and memory follows the header.
    package static let maximumPixelCount = 1 << 28

    /// Throws `Failure` unless `pixels` has the bytes of `width * height` pixels, or if the size is empty or beyond `maximumPixelCount`.
    package init(width: Int, height: Int, pixels: [UInt8], format: PixelFormat = .rgb) throws {
        guard pixels.count == format.bytesPerPixel * (try Image.pixelCount(width: width, height: height)) else {
            throw Failure(
                "\(pixels.count) bytes do not fill an image of \(width) x \(height) pixels with \(format)",
                hint: "give \(format.bytesPerPixel) bytes for each pixel")
        }
        self.width = width
        self.height = height
        self.format = format
        self.pixels = pixels
    }

    /// `width * height`. Of an encoded image of `byteCount` bytes, each can hold at most `pixelsPerByte` pixels.
    ///
    /// Throws `Failure` if the size is empty, beyond `limit` or `maximumPixelCount`, or beyond what the bytes can hold.
    static func pixelCount(
        width: Int, height: Int, byteCount: Int = .max, pixelsPerByte: Int = 1, limit: Int = maximumPixelCount
    ) throws -> Int {
        let (count, overflow) = width.multipliedReportingOverflow(by: height)
        guard width > 0, height > 0, !overflow, count <= min(limit, maximumPixelCount) else {
            throw Failure(
                "an image of \(width) x \(height) pixels is empty or too large",
                hint: "leave it out, or reduce it to at most \(min(limit, maximumPixelCount)) pixels")
        }
        guard count / pixelsPerByte <= byteCount else {
            throw undecodable("\(byteCount) bytes cannot hold an image of \(width) x \(height) pixels")
        }
        return count
    }
}

extension Image {
    /// Images of one size in rows, `gap` white pixels between them. Throws `Failure` where that is too large.
    package init(rows: [[Image]], gap: Int) throws {
        let (width, height) = (rows[0][0].width, rows[0][0].height)
        let columns = rows.map(\.count).max() ?? 0
        let size = (width: columns * (width + gap) - gap, height: rows.count * (height + gap) - gap)
        var pixels = [UInt8](repeating: 255, count: 3 * (try Self.pixelCount(width: size.width, height: size.height)))
        for (y, row) in rows.enumerated() {
            for (x, image) in row.enumerated() {
                for line in 0..<height {
                    let start = 3 * ((y * (height + gap) + line) * size.width + x * (width + gap))
                    pixels.replaceSubrange(
                        start..<start + 3 * width, with: image.pixels[3 * line * width..<3 * (line + 1) * width])
                }
            }
        }
        try self.init(width: size.width, height: size.height, pixels: pixels)
    }
}
