import Base

/// Resizes with a separable antialiased bicubic filter, columns first, rounding to 8 bits between the passes, as
/// Pillow and torchvision (antialias) do on 8-bit images.
///
/// Keeps its tables and scratch memory: after the largest image nothing is allocated.
package struct Resampler: ~Copyable {
    private var firstPass: RowResampler
    private var rows: ResamplingTable
    private var bands: BandResampler
}

extension Resampler {
    /// Throws `Failure` if memory is short.
    package init() throws {
        self.init(firstPass: try RowResampler(), rows: try ResamplingTable(), bands: try BandResampler())
    }

    /// Writes `framing` of `source` to `output`: the bytes of (window height, window width, C) values of the same format.
    ///
    /// `source` has `width` x `height` pixels in (row, column, channel) order, rows `rowBytes` apart. Throws
    /// `Failure` when the framing does not lie inside the source or memory is short.
    package mutating func resample(
        _ source: UnsafePointer<UInt8>, width: Int, height: Int, rowBytes: Int, format: PixelFormat = .rgb,
        framing: Framing, into output: UnsafeMutablePointer<UInt8>
    ) throws {
        guard format == .rgb else {
            try framing.requireInside(width: width, height: height)
            return try bands.resample(source, rowBytes: rowBytes, format: format, framing: framing, into: output)
        }
        try begin(source, width: width, height: height, rowBytes: rowBytes, framing: framing)
        let half = SIMD16<Int32>(repeating: 1 << (ResamplingTable.fractionBits - 1))
        secondPass(framing.window, into: output) { wholeLevels($0 &+ half) }
    }

    /// The same, but the second pass is not rounded: values in 0...255, clamped, whatever the depth.
    package mutating func resample(
        _ source: UnsafePointer<UInt8>, width: Int, height: Int, rowBytes: Int, format: PixelFormat = .rgb,
        framing: Framing, into output: UnsafeMutablePointer<Float>
    ) throws {
        guard format == .rgb else {
            try framing.requireInside(width: width, height: height)
            return try bands.resample(source, rowBytes: rowBytes, format: format, framing: framing, into: output)
        }
        try begin(source, width: width, height: height, rowBytes: rowBytes, framing: framing)
        let unit = 1 / Float(1 << ResamplingTable.fractionBits)
        secondPass(framing.window, into: output) { SIMD16<Float>(clampedSums($0)) * unit }
    }

    package mutating func resample(_ image: Image, framing: Framing) throws -> Image {
        let side = (width: framing.window.width, height: framing.window.height)
        let format = image.format
        let count = format.bytesPerPixel * (try Image.pixelCount(width: side.width, height: side.height))
        let pixels = try [UInt8](unsafeUninitializedCapacity: count) { output, initialised in
            try resample(
                image.pixels, width: image.width, height: image.height, rowBytes: format.bytesPerPixel * image.width,
                format: format, framing: framing, into: output.baseAddress!)
            initialised = count
        }
        return try Image(width: side.width, height: side.height, pixels: pixels, format: format)
    }

    /// Checks the framing, and does the first pass over every row that the second will need.
    private mutating func begin(
        _ source: UnsafePointer<UInt8>, width: Int, height: Int, rowBytes: Int, framing: Framing
    ) throws {
        try framing.requireInside(width: width, height: height)
        let (crop, window) = (framing.crop, framing.window)
        try rows.fill(input: crop.height, output: framing.height, window: window.y..<window.y + window.height)
        try firstPass.run(source, rowBytes: rowBytes, framing: framing, rows: rows.inputs)
    }

    /// The second pass: writes what `convert` makes of the weighted sums, 16 at a time.
    @inline(__always)
    private func secondPass<Value: SIMDScalar>(
        _ window: Crop, into output: UnsafeMutablePointer<Value>, _ convert: (SIMD16<Int32>) -> SIMD16<Value>
    ) {
        let (count, inputBytes) = (3 * window.width, firstPass.stride)
        for row in 0..<window.height {
            let start = Int(rows.starts.pointer[row]) - rows.inputs.lowerBound
            let source = UnsafeRawPointer(firstPass.output.pointer + start * inputBytes)
            let taps = rows.weights.pointer + row * rows.stride
            let tapCount = Int(rows.counts.pointer[row])
            for column in stride(from: 0, to: count, by: 16) {
                var sum = SIMD16<Int32>(repeating: 0)
                for tap in 0..<tapCount {
                    let values = (source + tap * inputBytes + column).loadUnaligned(as: SIMD16<UInt8>.self)
                    sum &+= SIMD16<Int32>(truncatingIfNeeded: values) &* taps[tap]
                }
                let target = UnsafeMutableRawPointer(output + row * count + column)
                if count - column >= 16 {
                    target.storeBytes(of: convert(sum), as: SIMD16<Value>.self)
                } else {
                    let byteCount = (count - column) * MemoryLayout<Value>.stride
                    withUnsafeBytes(of: convert(sum)) { target.copyMemory(from: $0.baseAddress!, byteCount: byteCount) }
                }
            }
        }
    }
}
