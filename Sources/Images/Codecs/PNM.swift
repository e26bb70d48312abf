import Base

/// Decodes a portable bitmap, graymap, pixmap or arbitrary map (P1 to P7).
///
/// Values of any range are scaled to that of `format` and rounded, as Pillow does for colours. (It cuts grey ones of 16 bits off at 255.)
func decodePNM(
    _ bytes: UnsafeRawBufferPointer, as format: PixelFormat, pixelLimit: Int, reserve: (ImageHeader) throws -> Void
) throws -> Image {
    var reader = PNMReader(bytes)
    let header = try reader.header()
    let count = try Image.pixelCount(
        width: header.width, height: header.height, byteCount: bytes.count, pixelsPerByte: 8, limit: pixelLimit)
    let stored = try header.stored(as: format)
    try reader.requireValues(header)
    let byteCount = stored.bytesPerPixel * count
    let copies = stored.conversionBytes(to: format) * count
    try reserve(
        ImageHeader(width: header.width, height: header.height, decodingBytes: byteCount + copies + 1 << 20))
    let pixels = try [UInt8](unsafeUninitializedCapacity: byteCount) { bytes, initialised in
        let start = UnsafeMutableRawPointer(bytes.baseAddress!)
        if stored.depth == 8 {
            try reader.read(header, channels: stored.channels, into: UnsafeMutablePixels<UInt8>(start: start))
        } else {
            try reader.read(header, channels: stored.channels, into: UnsafeMutablePixels<UInt16>(start: start))
        }
        initialised = byteCount
    }
    return try Image(width: header.width, height: header.height, pixels: pixels, format: stored).converted(to: format)
}

extension PNMReader.Header {
    /// What is kept of a file of this kind before it becomes `format`: its colours, or all of its channels. Throws `Failure` if `format` has
    /// others.
    fileprivate func stored(as format: PixelFormat) throws -> PixelFormat {
        if format.accepts(channels: 3), channels <= 4 {
            // Colours of 8 bits become grey in 8 bits.
            return try PixelFormat(channels: channels < 3 ? 1 : 3, depth: largest == 255 ? 8 : format.depth)
        }
        try format.require(channels: channels)
        return format
    }
}
