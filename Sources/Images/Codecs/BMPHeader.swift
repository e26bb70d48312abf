import Base

/// What the headers of a BMP say.
struct BMPHeader {
    enum Runs { case ofBytes, ofHalfBytes }

    /// A colour's bits in a pixel.
    struct Channel {
        private let mask, shift, largest: UInt32

        /// Throws `Failure` unless the bits of `mask` are in a row.
        init(mask: UInt32) throws {
            self.mask = mask
            shift = mask == 0 ? 0 : UInt32(mask.trailingZeroBitCount)
            largest = mask >> shift
            guard largest & (largest &+ 1) == 0 else { throw undecodable("a BMP image with unknown bit fields") }
        }

        func value(of pixel: UInt32) -> UInt8 {
            let value = (pixel & mask) >> shift
            return largest == 255 || largest == 0 ? UInt8(value) : UInt8(UInt64(value) * 255 / UInt64(largest))
        }
    }

    private(set) var width, height, bits: Int
    private(set) var isTopDown = false
    private(set) var runs: Runs?
    /// Where the pixels are in the file.
    private(set) var start: Int
    /// 256 colours, black where the file has none; empty for more bits than 8.
    private(set) var palette: [SIMD3<UInt8>] = []
    /// Red, green and blue, for more bits than 8.
    private(set) var channels: [Channel] = []

    init(_ file: ImageBytes) throws {
        let size = Int(try file.integer(UInt32.self, at: 14))
        guard [12, 40, 52, 56, 64, 108, 124].contains(size) else {
            throw undecodable("a BMP image of an unknown version")
        }
        start = Int(try file.integer(UInt32.self, at: 10))
        let isOld = size == 12
        var compression: UInt32 = 0
        var colours = 0
        if isOld {
            width = Int(try file.integer(UInt16.self, at: 18))
            height = Int(try file.integer(UInt16.self, at: 20))
            bits = Int(try file.integer(UInt16.self, at: 24))
        } else {
            width = Int(try file.integer(Int32.self, at: 18))
            let rows = Int(try file.integer(Int32.self, at: 22))
            (height, isTopDown) = (abs(rows), rows < 0)
            bits = Int(try file.integer(UInt16.self, at: 28))
            compression = try file.integer(UInt32.self, at: 30)
            colours = Int(try file.integer(UInt32.self, at: 46))
        }
        switch (compression, bits) {
        case (0, 1), (0, 4), (0, 8), (0, 16), (0, 24), (0, 32), (3, 16), (3, 24), (3, 32): break
        case (1, 8): runs = .ofBytes
        case (2, 4): runs = .ofHalfBytes
        default: throw undecodable("a BMP image of an unknown kind (\(bits) bits, compression \(compression))")
        }
        if bits <= 8 {
            try readPalette(file, at: 14 + size, count: colours == 0 ? 1 << bits : colours, entryBytes: isOld ? 3 : 4)
        } else {
            try readChannels(file, hasMasks: compression == 3 && size != 64)
        }
    }

    private mutating func readPalette(_ file: ImageBytes, at place: Int, count: Int, entryBytes: Int) throws {
        // Some writers point to the palette instead of the pixels.
        if start == place { start += count * entryBytes }
        palette = [SIMD3<UInt8>](repeating: SIMD3(), count: 256)
        for index in 0..<min(count, 256) {
            let entry = place + index * entryBytes
            palette[index] = SIMD3(
                try file.integer(UInt8.self, at: entry + 2), try file.integer(UInt8.self, at: entry + 1),
                try file.integer(UInt8.self, at: entry))
        }
    }

    private mutating func readChannels(_ file: ImageBytes, hasMasks: Bool) throws {
        // Behind a header of 40 bytes, and in the same place of a longer one.
        var masks: [UInt32] = try hasMasks ? (0..<3).map { try file.integer(UInt32.self, at: 54 + 4 * $0) } : [0, 0, 0]
        if masks == [0, 0, 0] { masks = bits == 16 ? [0x7C00, 0x3E0, 0x1F] : [0xFF0000, 0xFF00, 0xFF] }
        channels = try masks.map(Channel.init(mask:))
    }
}
