import Base

/// How an image of any number of channels is shown: three of them as red, green and blue, each from a lowest to a highest value.
package struct BandView: Equatable, Sendable {
    /// The channels that are red, green and blue, counted from 0.
    package let bands: [Int]
    /// What becomes black and what becomes full brightness, in units of 0...1, for each of the three.
    private let low, high: [Float]

    /// RGB as it is.
    package static let rgb = BandView(bands: [0, 1, 2], low: [0, 0, 0], high: [1, 1, 1])

    private init(bands: [Int], low: [Float], high: [Float]) { (self.bands, self.low, self.high) = (bands, low, high) }

    /// Shows the channels `bands`, counted from 1, of images with these statistics: three, or one as grey. By default the first three, or
    /// the first if there are two or one.
    ///
    /// RGB is shown as it is. Other values have no natural brightness: from 2.5 deviations below the mean to 2.5 above.
    /// Throws `Failure` if there is no such channel.
    package init(bands: [Int]?, mean: [Double], deviation: [Double]) throws {
        let channels = mean.count
        let chosen = bands ?? (channels < 3 ? [1] : [1, 2, 3])
        guard chosen.count == 1 || chosen.count == 3, chosen.allSatisfy({ (1...channels).contains($0) }) else {
            throw Failure(
                "channels \(chosen.map(String.init).joined(separator: ",")) cannot be shown of images with \(channels)",
                hint: "choose --bands of one or three numbers in 1...\(channels), such as --bands 1")
        }
        let three = (chosen.count == 1 ? [chosen[0], chosen[0], chosen[0]] : chosen).map { $0 - 1 }
        guard channels != 3 else {
            self.init(bands: three, low: [0, 0, 0], high: [1, 1, 1])
            return
        }
        let low = three.map { max(0, mean[$0] - 2.5 * deviation[$0]) }
        let high = zip(three, low).map { max($1 + 1e-4, min(1, mean[$0] + 2.5 * deviation[$0])) }
        self.init(bands: three, low: low.map(Float.init), high: high.map(Float.init))
    }

    package init(bands: [Int]?, of normalisation: Normalisation) throws {
        try self.init(bands: bands, mean: normalisation.mean, deviation: normalisation.deviation)
    }

    /// The brightness, 0...255, of `value` (0...1) of the channel that is colour `colour`. NaN becomes white.
    @inline(__always)
    package func level(_ value: Float, colour: Int) -> UInt8 {
        let scaled = (value - low[colour]) / (high[colour] - low[colour])
        return UInt8(max(0, min(255, (255 * scaled).rounded())))
    }

    /// `image` as RGB of 8 bits. Throws `Failure` if it lacks a channel.
    package func picture(_ image: Image) throws -> Image {
        guard image.format != .rgb || self != .rgb else { return image }
        let format = image.format
        guard bands.allSatisfy({ $0 < format.channels }) else {
            throw Failure(
                "an image of \(format) has no channel \(1 + (bands.max() ?? 0))", hint: "choose other --bands")
        }
        let unit = 1 / Float(format.highest)
        let count = image.width * image.height
        let pixels = image.pixels.withUnsafeBytes { bytes in
            [UInt8](unsafeUninitializedCapacity: 3 * count) { output, initialised in
                for pixel in 0..<count {
                    for colour in 0..<3 {
                        let place = pixel * format.bytesPerPixel + bands[colour] * format.bytesPerValue
                        let value = format.value(at: bytes.baseAddress! + place)
                        output[3 * pixel + colour] = level(Float(value) * unit, colour: colour)
                    }
                }
                initialised = 3 * count
            }
        }
        return try Image(width: image.width, height: image.height, pixels: pixels)
    }
}
