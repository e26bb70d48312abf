import Base

/// Decodes a BMP of Windows or OS/2: a palette of 1, 4 or 8 bits, also run-length encoded, or 16, 24 or 32 bits with any masks.
///
/// Fewer bits than 8 are scaled as Pillow does, and the fourth byte of a pixel is dropped.
func decodeBMP(
    _ bytes: UnsafeRawBufferPointer, pixelLimit: Int, reserve: (ImageHeader) throws -> Void
) throws -> Image {
    let header = try BMPHeader(ImageBytes(bytes: bytes))
    let (width, height) = (header.width, header.height)
    // A run of two bytes has at most 255 pixels, and a jump skips as many rows.
    let count = try Image.pixelCount(
        width: width, height: height, byteCount: bytes.count, pixelsPerByte: header.runs == nil ? 8 : .max,
        limit: pixelLimit)
    let indexBytes = header.runs == nil ? 0 : count
    try reserve(ImageHeader(width: width, height: height, decodingBytes: 3 * count + indexBytes + 1 << 20))
    let rowBytes = header.runs == nil ? (width * header.bits + 7) / 8 : width
    let stride = header.runs == nil ? (rowBytes + 3) & ~3 : width
    let indices = try header.runs.map { try bmpIndices(bytes, header, isHalved: $0 == .ofHalfBytes) }
    if indices == nil { try ImageBytes(bytes: bytes).require(stride * (height - 1) + rowBytes, at: header.start) }
    let pixels = [UInt8](unsafeUninitializedCapacity: 3 * count) { values, initialised in
        func store(_ rows: UnsafeRawBufferPointer) {
            for row in 0..<height {
                let place = header.isTopDown ? row : height - 1 - row
                header.convert(
                    UnsafeRawBufferPointer(rebasing: rows[stride * row..<stride * row + rowBytes]),
                    into: values.baseAddress! + 3 * width * place)
            }
        }
        if let indices {
            indices.withUnsafeBytes(store)
        } else {
            store(UnsafeRawBufferPointer(rebasing: bytes[header.start...]))
        }
        initialised = 3 * count
    }
    return try Image(width: width, height: height, pixels: pixels)
}

extension BMPHeader {
    /// RGB from a row of the file, or of indices.
    fileprivate func convert(_ row: UnsafeRawBufferPointer, into values: UnsafeMutablePointer<UInt8>) {
        let indexBits = runs == nil ? bits : 8
        for column in 0..<width {
            let colour: SIMD3<UInt8>
            if bits <= 8 {
                let bit = column * indexBits
                let index = Int(row[bit / 8]) >> (8 - indexBits - bit % 8) & (1 << indexBits - 1)
                colour = palette[index]
            } else {
                let size = bits / 8
                var pixel: UInt32 = 0
                for byte in 0..<size { pixel |= UInt32(row[column * size + byte]) << UInt32(8 * byte) }
                colour = SIMD3(channels[0].value(of: pixel), channels[1].value(of: pixel), channels[2].value(of: pixel))
            }
            for channel in 0..<3 { values[3 * column + channel] = colour[channel] }
        }
    }
}

/// The indices of a run-length encoded BMP in the order of the file, 0 where it skips pixels.
private func bmpIndices(_ bytes: UnsafeRawBufferPointer, _ header: BMPHeader, isHalved: Bool) throws -> [UInt8] {
    var indices = [UInt8](repeating: 0, count: header.width * header.height)
    var (place, column, row) = (header.start, 0, 0)
    func next() throws -> UInt8 {
        guard place < bytes.count else { throw ImageBytes.endsEarly }
        defer { place += 1 }
        return bytes[place]
    }
    func put(_ index: UInt8) {
        if column < header.width && row < header.height { indices[row * header.width + column] = index }
        column += 1
    }
    // The marker of the end may be missing behind the last row.
    while row < header.height && !(row == header.height - 1 && column >= header.width) {
        let (count, value) = (Int(try next()), try next())
        switch (count, value) {
        case (0, 0): (column, row) = (0, row + 1)
        case (0, 1): return indices
        case (0, 2):
            column += Int(try next())
            row += Int(try next())
        case (0, _):
            let start = place
            for number in 0..<Int(value) {
                let isSecond = isHalved && number % 2 == 1
                let byte = isSecond ? bytes[place - 1] : try next()
                put(isHalved ? (isSecond ? byte & 15 : byte >> 4) : byte)
            }
            place += (place - start) % 2
        default:
            for number in 0..<count { put(isHalved ? (number % 2 == 0 ? value >> 4 : value & 15) : value) }
        }
    }
    return indices
}
