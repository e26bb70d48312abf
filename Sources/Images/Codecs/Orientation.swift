/// `image` turned and mirrored as the orientation of a TIFF says, from 1 (as it is) to 8.
func oriented(_ image: Image, _ orientation: Int) throws -> Image {
    guard (2...8).contains(orientation) else { return image }
    let (width, height) = orientation >= 5 ? (image.height, image.width) : (image.width, image.height)
    let size = image.format.bytesPerPixel
    let pixels = [UInt8](unsafeUninitializedCapacity: image.pixels.count) { values, initialised in
        for row in 0..<height {
            for column in 0..<width {
                let (x, y) = orientation >= 5 ? (row, column) : (column, row)
                let isMirrored = [2, 3, 7, 8].contains(orientation)
                let isUpsideDown = [3, 4, 6, 7].contains(orientation)
                let source =
                    (isUpsideDown ? image.height - 1 - y : y) * image.width + (isMirrored ? image.width - 1 - x : x)
                for byte in 0..<size {
                    values[size * (row * width + column) + byte] = image.pixels[size * source + byte]
                }
            }
        }
        initialised = image.pixels.count
    }
    return try Image(width: width, height: height, pixels: pixels, format: image.format)
}
