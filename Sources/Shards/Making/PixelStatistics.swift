import Images

/// Mean and standard deviation of each channel over all pixels, from exact integer sums.
struct PixelStatistics: Codable, Equatable, Sendable {
    private var count: UInt64 = 0
    /// By channel; empty before the first pixel.
    private var sums: [UInt64] = []
    private var squares: [UInt64] = []
}

extension PixelStatistics {
    /// Of the bytes of whole pixels.
    init(_ pixels: [UInt8], format: PixelFormat) {
        count = UInt64(pixels.count / format.bytesPerPixel)
        (sums, squares) = (
            [UInt64](repeating: 0, count: format.channels), [UInt64](repeating: 0, count: format.channels)
        )
        pixels.withUnsafeBytes { bytes in
            if format.depth == 8 {
                add(bytes, channels: format.channels)
            } else {
                addWords(bytes, channels: format.channels)
            }
        }
    }

    /// Sixteen bytes are a vector. After as many vectors as there are channels (or fewer) a lane has the same channel again.
    private mutating func add(_ bytes: UnsafeRawBufferPointer, channels: Int) {
        let period = PixelFormat.vectorPeriod(channels: channels)
        let groupCount = bytes.count / (16 * period)
        var group = 0
        while group < groupCount {
            // A lane's sum of squares stays below 2^32 for 2^16 of them.
            let end = min(groupCount, group + 1 << 16)
            for part in 0..<period {
                var sum = SIMD16<UInt32>()
                var square = SIMD16<UInt32>()
                for position in group..<end {
                    let values = bytes.loadUnaligned(
                        fromByteOffset: 16 &* (position &* period &+ part), as: SIMD16<UInt8>.self)
                    let wide = SIMD16<UInt32>(truncatingIfNeeded: values)
                    sum &+= wide
                    square &+= wide &* wide
                }
                for lane in 0..<16 {
                    sums[(16 * part + lane) % channels] += UInt64(sum[lane])
                    squares[(16 * part + lane) % channels] += UInt64(square[lane])
                }
            }
            group = end
        }
        for index in groupCount * 16 * period..<bytes.count {
            let value = UInt64(bytes[index])
            sums[index % channels] += value
            squares[index % channels] += value * value
        }
    }

    private mutating func addWords(_ bytes: UnsafeRawBufferPointer, channels: Int) {
        for channel in 0..<channels {
            var (sum, square) = (UInt64(0), UInt64(0))
            for place in stride(from: 2 * channel, to: bytes.count, by: 2 * channels) {
                let value = UInt64(UInt16(littleEndian: bytes.loadUnaligned(fromByteOffset: place, as: UInt16.self)))
                sum &+= value
                square &+= value &* value
            }
            sums[channel] += sum
            squares[channel] += square
        }
    }

    /// Sums from a file may be anything, so they wrap around.
    mutating func add(_ other: PixelStatistics) {
        count &+= other.count
        sums = Self.sum(sums, other.sums)
        squares = Self.sum(squares, other.squares)
    }

    private static func sum(_ a: [UInt64], _ b: [UInt64]) -> [UInt64] {
        let (longer, shorter) = a.count >= b.count ? (a, b) : (b, a)
        return longer.enumerated().map { $0.offset < shorter.count ? $0.element &+ shorter[$0.offset] : $0.element }
    }

    /// The mean of each channel in units of 0...1, where values of `format` lie; 0 without pixels.
    func mean(_ format: PixelFormat) -> [Double] {
        (0..<format.channels).map { channel in
            count == 0 || channel >= sums.count ? 0 : Double(sums[channel]) / Double(count) / Double(format.highest)
        }
    }

    /// The population standard deviation of each channel in units of 0...1; 0 without pixels.
    func deviation(_ format: PixelFormat) -> [Double] {
        (0..<format.channels).map { channel in
            guard count > 0, channel < min(sums.count, squares.count) else { return 0 }
            let mean = Double(sums[channel]) / Double(count)
            let variance = Double(squares[channel]) / Double(count) - mean * mean
            return max(0, variance).squareRoot() / Double(format.highest)
        }
    }
}
