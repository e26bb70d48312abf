import Base

/// Decodes a portable bitmap, graymap, pixmap or arbitrary map of up to four channels (P1 to P7).
///
/// Values of any range are scaled to 0...255 and rounded, as Pillow does for colours. (It cuts grey ones of 16 bits off at 255.)
func decodePNM(
    _ bytes: UnsafeRawBufferPointer, pixelLimit: Int, reserve: (ImageHeader) throws -> Void
) throws -> Image {
    var reader = PNMReader(bytes)
    let header = try reader.header()
    let count = try Image.pixelCount(
        width: header.width, height: header.height, byteCount: bytes.count, pixelsPerByte: 8, limit: pixelLimit)
    try reserve(ImageHeader(width: header.width, height: header.height, decodingBytes: 3 * count + 1 << 20))
    let pixels = try [UInt8](unsafeUninitializedCapacity: 3 * count) { values, initialised in
        try reader.read(header, into: values.baseAddress!)
        initialised = 3 * count
    }
    return try Image(width: header.width, height: header.height, pixels: pixels)
}

struct PNMReader {
    struct Header {
        var (width, height, channels, largest) = (0, 0, 1, 1)
        var isText = false
        /// One bit a pixel, 1 for black.
        var isBitmap = false
    }

    private let bytes: UnsafeRawBufferPointer
    private var place = 0

    init(_ bytes: UnsafeRawBufferPointer) { self.bytes = bytes }

    static func isSpace(_ byte: UInt8) -> Bool { byte == 0x20 || (0x09...0x0D).contains(byte) }

    mutating func header() throws -> Header {
        let kind = Int(bytes[1]) - 0x30
        place = 2
        var header = Header()
        if kind == 7 {
            try readFields(into: &header)
        } else {
            header.width = try number()
            header.height = try number()
            header.isText = kind <= 3
            header.isBitmap = kind == 1 || kind == 4
            header.channels = kind % 3 == 0 ? 3 : 1
            header.largest = header.isBitmap ? 1 : try number()
            // One space, behind which the pixels begin.
            place += 1
        }
        guard (1...65_535).contains(header.largest), (1...4).contains(header.channels) else {
            throw undecodable("a PNM image with \(header.channels) channels of values up to \(header.largest)")
        }
        return header
    }

    /// The header of a P7 file: a name and a value in each line.
    private mutating func readFields(into header: inout Header) throws {
        while true {
            let name = try word()
            switch name {
            case "WIDTH": header.width = try number()
            case "HEIGHT": header.height = try number()
            case "DEPTH": header.channels = try number()
            case "MAXVAL": header.largest = try number()
            // The number of channels says the same.
            case "TUPLTYPE": _ = try word()
            case "ENDHDR":
                place += 1
                return
            default: throw undecodable("a PNM image with an unknown header")
            }
        }
    }

    mutating func read(_ header: Header, into values: UnsafeMutablePointer<UInt8>) throws {
        let scaled = (0..<(header.largest < 256 ? 256 : 65_536)).map { value in
            // A bitmap has 1 for black.
            let share = Double(header.isBitmap ? 1 - min(value, 1) : value) / Double(header.largest)
            return UInt8(min(255, (share * 255).rounded(.toNearestOrEven)))
        }
        if header.isText {
            try readText(header, scaled, into: values)
        } else {
            try readBinary(header, scaled, into: values)
        }
    }

    private mutating func readText(
        _ header: Header, _ scaled: [UInt8], into values: UnsafeMutablePointer<UInt8>
    ) throws {
        for pixel in 0..<header.width * header.height {
            for channel in 0..<header.channels {
                let value = try number(digits: header.isBitmap ? 1 : 10)
                guard value <= header.largest else { throw undecodable("a value beyond the largest of the header") }
                values[3 * pixel + channel] = scaled[value]
            }
            if header.channels == 1 { repeatGrey(values + 3 * pixel) }
        }
    }

    private func readBinary(_ header: Header, _ scaled: [UInt8], into values: UnsafeMutablePointer<UInt8>) throws {
        let size = header.largest < 256 ? 1 : 2
        let rowBytes = header.isBitmap ? (header.width + 7) / 8 : header.width * header.channels * size
        try ImageBytes(bytes: bytes).require(rowBytes * header.height, at: place)
        for row in 0..<header.height {
            let (source, target) = (place + row * rowBytes, values + 3 * header.width * row)
            for column in 0..<header.width {
                for channel in 0..<min(header.channels, 3) where header.channels != 2 || channel == 0 {
                    let value: Int
                    if header.isBitmap {
                        value = Int(bytes[source + column / 8]) >> (7 - column % 8) & 1
                    } else {
                        let sample = source + (column * header.channels + channel) * size
                        value = size == 1 ? Int(bytes[sample]) : Int(bytes[sample]) << 8 | Int(bytes[sample + 1])
                    }
                    target[3 * column + channel] = scaled[value]
                }
                if header.channels < 3 { repeatGrey(target + 3 * column) }
            }
        }
    }

    private func repeatGrey(_ pixel: UnsafeMutablePointer<UInt8>) {
        pixel[1] = pixel[0]
        pixel[2] = pixel[0]
    }

    /// Moves to the next character that is neither a space nor in a comment.
    private mutating func skipSpace() throws {
        while place < bytes.count {
            if bytes[place] == UInt8(ascii: "#") {
                while place < bytes.count && bytes[place] != 0x0A && bytes[place] != 0x0D { place += 1 }
            } else if !Self.isSpace(bytes[place]) {
                return
            } else {
                place += 1
            }
        }
        throw ImageBytes.endsEarly
    }

    private mutating func number(digits: Int = 10) throws -> Int {
        try skipSpace()
        let start = place
        var number = 0
        while place < bytes.count, place - start < digits, (0x30...0x39).contains(bytes[place]) {
            number = 10 * number + Int(bytes[place]) - 0x30
            place += 1
        }
        guard place > start else { throw undecodable("a PNM image with something else than a number") }
        return number
    }

    private mutating func word() throws -> String {
        try skipSpace()
        let start = place
        while place < bytes.count, !Self.isSpace(bytes[place]), place - start < 100 { place += 1 }
        return String(decoding: bytes[start..<place], as: UTF8.self)
    }
}
