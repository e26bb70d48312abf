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
