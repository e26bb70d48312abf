import Base

struct PNMReader {
    struct Header {
        var (width, height, channels, largest) = (0, 0, 1, 1)
        var isText = false
        /// One bit a pixel, 1 for black.
        var isBitmap = false

        /// The bytes of a value in a binary file.
        var valueBytes: Int { largest < 256 ? 1 : 2 }
        /// The bytes of a row in a binary file.
        var rowBytes: Int { isBitmap ? (width + 7) / 8 : width * channels * valueBytes }
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
        guard (1...65_535).contains(header.largest), (1...PixelFormat.maximumChannels).contains(header.channels)
        else {
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

    /// Throws `Failure` if the file ends before its values; each of a text takes at least a byte.
    func requireValues(_ header: Header) throws {
        let rowBytes = header.isText ? header.width * header.channels : header.rowBytes
        try ImageBytes(bytes: bytes).require(rowBytes * header.height, at: place)
    }

    /// Writes the first `channels` values of each pixel.
    mutating func read<Value: FixedWidthInteger>(
        _ header: Header, channels: Int, into values: UnsafeMutablePixels<Value>
    ) throws {
        let scaled = (0..<(header.largest < 256 ? 256 : 65_536)).map { value in
            // A bitmap has 1 for black.
            let share = Double(header.isBitmap ? 1 - min(value, 1) : value) / Double(header.largest)
            return Value(min(Double(Value.max), (share * Double(Value.max)).rounded(.toNearestOrEven)))
        }
        if header.isText {
            try readText(header, scaled, into: values)
        } else {
            readBinary(header, scaled, channels: channels, into: values)
        }
    }

    /// A text has no channels that are dropped.
    private mutating func readText<Value: FixedWidthInteger>(
        _ header: Header, _ scaled: [Value], into values: UnsafeMutablePixels<Value>
    ) throws {
        for index in 0..<header.width * header.height * header.channels {
            let value = try number(digits: header.isBitmap ? 1 : 10)
            guard value <= header.largest else { throw undecodable("a value beyond the largest of the header") }
            values[index] = scaled[value]
        }
    }

    private func readBinary<Value: FixedWidthInteger>(
        _ header: Header, _ scaled: [Value], channels: Int, into values: UnsafeMutablePixels<Value>
    ) {
        let size = header.valueBytes
        for row in 0..<header.height {
            let (source, target) = (place + row * header.rowBytes, channels * header.width * row)
            for column in 0..<header.width {
                for channel in 0..<channels {
                    let value: Int
                    if header.isBitmap {
                        value = Int(bytes[source + column / 8]) >> (7 - column % 8) & 1
                    } else {
                        let sample = source + (column * header.channels + channel) * size
                        value = size == 1 ? Int(bytes[sample]) : Int(bytes[sample]) << 8 | Int(bytes[sample + 1])
                    }
                    values[target + channels * column + channel] = scaled[value]
                }
            }
        }
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
