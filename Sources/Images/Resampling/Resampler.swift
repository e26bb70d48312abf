import Base

/// Resizes with a separable antialiased bicubic filter, columns first, rounding to 8 bits between the passes, as
/// Pillow and torchvision (antialias) do on 8-bit images.
///
/// Keeps its tables and scratch memory: after the largest image nothing is allocated.
package struct Resampler: ~Copyable {
    private var firstPass: RowResampler
    private var rows: ResamplingTable

    /// Throws `Failure` if memory is short.
    package init() throws {
        // Locals first, so that a throw leaves nothing half initialised.
        let firstPass = try RowResampler()
        let rows = try ResamplingTable()
        self.firstPass = firstPass
        self.rows = rows
    }

    /// Writes `framing` of `source` to `output`: (window height, window width, 3) bytes.
    ///
    /// `source` has `width` x `height` pixels in (row, column, channel) order, rows `rowBytes` apart. Throws
    /// `Failure` when the framing does not lie inside the source or memory is short.
    package mutating func resample(
        _ source: UnsafePointer<UInt8>, width: Int, height: Int, rowBytes: Int, framing: Framing,
        into output: UnsafeMutablePointer<UInt8>
    ) throws {
        try begin(source, width: width, height: height, rowBytes: rowBytes, framing: framing)
        let rowCount = 3 * framing.window.width
        for row in 0..<framing.window.height {
            let destination = output + row * rowCount
            forEachVector(ofRow: row, count: rowCount) { sum, column, remaining in
                let levels = roundedLevels(sum)
                let target = UnsafeMutableRawPointer(destination + column)
                if remaining >= 16 {
                    target.storeBytes(of: levels, as: SIMD16<UInt8>.self)
                } else {
                    withUnsafeBytes(of: levels) { target.copyMemory(from: $0.baseAddress!, byteCount: remaining) }
                }
            }
        }
    }

    /// As `resample(_:width:height:rowBytes:framing:into:)` for bytes, but the second pass is not rounded: values
    /// in 0...255, clamped.
    package mutating func resample(
        _ source: UnsafePointer<UInt8>, width: Int, height: Int, rowBytes: Int, framing: Framing,
        into output: UnsafeMutablePointer<Float>
    ) throws {
        try begin(source, width: width, height: height, rowBytes: rowBytes, framing: framing)
        let rowCount = 3 * framing.window.width
        let unit = 1 / Float(1 << ResamplingTable.fractionBits)
        for row in 0..<framing.window.height {
            let destination = output + row * rowCount
            forEachVector(ofRow: row, count: rowCount) { sum, column, remaining in
                let values = SIMD16<Float>(clampedSums(sum)) * unit
                let target = UnsafeMutableRawPointer(destination + column)
                if remaining >= 16 {
                    target.storeBytes(of: values, as: SIMD16<Float>.self)
                } else {
                    withUnsafeBytes(of: values) { target.copyMemory(from: $0.baseAddress!, byteCount: 4 * remaining) }
                }
            }
        }
    }

    package mutating func resample(_ image: Image, framing: Framing) throws -> Image {
        let side = (width: framing.window.width, height: framing.window.height)
        let count = 3 * (try Image.pixelCount(width: side.width, height: side.height))
        let pixels = try [UInt8](unsafeUninitializedCapacity: count) { output, initialised in
            try resample(
                image.pixels, width: image.width, height: image.height, rowBytes: 3 * image.width, framing: framing,
                into: output.baseAddress!)
            initialised = count
        }
        return try Image(width: side.width, height: side.height, pixels: pixels)
    }
}

extension Resampler {
    /// Checks the framing, and does the first pass over every row that the second will need.
    private mutating func begin(
        _ source: UnsafePointer<UInt8>, width: Int, height: Int, rowBytes: Int, framing: Framing
    ) throws {
        let crop = framing.crop
        let window = framing.window
        guard crop.x >= 0, crop.y >= 0, crop.width > 0, crop.height > 0, crop.x <= width - crop.width,
            crop.y <= height - crop.height, window.x >= 0, window.y >= 0, window.width > 0, window.height > 0,
            window.x <= framing.width - window.width, window.y <= framing.height - window.height
        else {
            throw Failure(
                "a crop of \(crop.width) x \(crop.height) at (\(crop.x), \(crop.y)) does not fit into an image of "
                    + "\(width) x \(height)",
                hint: "crop inside the image")
        }
        try rows.fill(input: crop.height, output: framing.height, window: window.y..<window.y + window.height)
        try firstPass.run(source, rowBytes: rowBytes, framing: framing, rows: rows.inputs)
    }

    /// The second pass for one output row: hands each 16 weighted sums to `body` with the index of the first of them
    /// and how many values of the row are left from there on.
    @inline(__always)
    private func forEachVector(ofRow row: Int, count: Int, _ body: (SIMD16<Int32>, Int, Int) -> Void) {
        let stride = firstPass.stride
        let start = Int(rows.starts.pointer[row]) - rows.inputs.lowerBound
        let source = UnsafeRawPointer(firstPass.output.pointer + start * stride)
        let taps = rows.weights.pointer + row * rows.stride
        let tapCount = Int(rows.counts.pointer[row])
        var column = 0
        while column < count {
            var sum = SIMD16<Int32>(repeating: 0)
            for tap in 0..<tapCount {
                let values = (source + tap * stride + column).loadUnaligned(as: SIMD16<UInt8>.self)
                sum &+= SIMD16<Int32>(truncatingIfNeeded: values) &* taps[tap]
            }
            body(sum, column, count - column)
            column += 16
        }
    }
}
