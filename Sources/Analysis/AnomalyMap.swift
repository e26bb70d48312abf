import Base
import Foundation
import Images

// S side of the input.

/// Where an image differs from what a model expects: its error map, smoothed, in multiples of the image's own mean error; or that,
/// standardised by `UsualErrors`.
package struct AnomalyMap: Sendable {
    /// The image as the model sees it, all of its central square.
    package let original: Image
    /// (S, S).
    package let values: [Float]
    /// How much the image as a whole differs: the mean of its highest values, one in a hundred.
    package let score: Float

    /// Of the error map of a model with patches of `patchSize` pixels.
    package init(_ map: ErrorMap, patchSize: Int) {
        let side = map.original.width
        let smooth = smoothed(map.values, side: side, deviation: Float(patchSize) / 4)
        let mean = smooth.reduce(0) { $0 + Double($1) } / Double(smooth.count)
        self.init(original: map.original, values: smooth.map { mean > 0 ? Float(Double($0) / mean) : 0 })
    }

    init(original: Image, values: [Float]) {
        (self.original, self.values) = (original, values)
        let highest = values.sorted().suffix(max(1, values.count / 100))
        score = highest.reduce(0, +) / Float(highest.count)
    }

    /// The image, and the map over it in grey: from dark violet for 0 to yellow for `highest` and more.
    package func sheet(highest: Float = 8, gap: Int = 2) throws -> Image {
        let coloured = try original.repainted { row, column, pixel in
            let light = 0.299 * Float(pixel[0]) + 0.587 * Float(pixel[1]) + 0.114 * Float(pixel[2])
            let colour = evenColour(values[row * original.width + column] / highest)
            return SIMD3<UInt8>(SIMD3(repeating: 0.4 * light) + 0.6 * colour)
        }
        return try Image(rows: [[original, coloured]], gap: gap)
    }

    /// The values as a file of NumPy: float32, (S, S).
    package var numPyFile: [UInt8] {
        let side = original.width
        var header = "{'descr': '<f4', 'fortran_order': False, 'shape': (\(side), \(side)), }"
        // Magic, version and length take 10 bytes; the values begin at a multiple of 64.
        let length = (10 + header.utf8.count + 1 + 63) / 64 * 64 - 10
        header += String(repeating: " ", count: length - header.utf8.count - 1) + "\n"
        var file: [UInt8] = [0x93] + Array("NUMPY".utf8) + [1, 0, UInt8(length & 255), UInt8(length >> 8)]
        file += Array(header.utf8)
        for value in values { withUnsafeBytes(of: value.bitPattern.littleEndian) { file += $0 } }
        return file
    }
}

/// `values` (`side`, `side`) weighed by a Gaussian of `deviation` pixels up to three deviations away; at the border mirrored.
func smoothed(_ values: [Float], side: Int, deviation: Float) -> [Float] {
    let reach = min(side - 1, Int((3 * deviation).rounded(.up)))
    let raw = (-reach...reach).map { exp(-Double($0 * $0) / (2 * Double(deviation) * Double(deviation))) }
    let weights = raw.map { Float($0 / raw.reduce(0, +)) }
    func mirrored(_ place: Int) -> Int { place < 0 ? -1 - place : place < side ? place : 2 * side - 1 - place }
    let places = (-reach..<side + reach).map(mirrored)
    var columns = [Float](repeating: 0, count: side * side)
    var result = columns
    for row in 0..<side {
        for column in 0..<side {
            var sum: Float = 0
            for tap in 0...2 * reach { sum += weights[tap] * values[row * side + places[column + tap]] }
            columns[row * side + column] = sum
        }
    }
    for row in 0..<side {
        for column in 0..<side {
            var sum: Float = 0
            for tap in 0...2 * reach { sum += weights[tap] * columns[places[row + tap] * side + column] }
            result[row * side + column] = sum
        }
    }
    return result
}
