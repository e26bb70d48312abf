import Base

/// Resizes images of any `PixelFormat` as Pillow resizes those of one channel: columns first, rounding to the image's depth between the
/// passes. One channel after another, so that memory does not grow with their number.
///
/// Sums are formed in Double, in the order of the inputs, so the bits do not depend on the processor. Keeps its tables and scratch memory.
struct BandResampler: ~Copyable {
    private typealias Lanes = SIMD8<Double>

    private var columns: ResamplingTable
    private var rows: ResamplingTable
    /// One channel of eight source rows, side by side.
    private var staged: OwnedBuffer<SIMD8<Double>>
    /// One channel after the first pass: rows `stride` apart.
    private var narrowed: OwnedBuffer<UInt16>
    /// One row after the second pass, padded to whole vectors.
    private var row: OwnedBuffer<SIMD8<Double>>
    private var stride = 0
}

extension BandResampler {
    init() throws {
        self.init(
            columns: try ResamplingTable(), rows: try ResamplingTable(), staged: try OwnedBuffer(count: 0),
            narrowed: try OwnedBuffer(count: 0), row: try OwnedBuffer(count: 0))
    }

    /// Writes `framing`, which lies inside of the image, as bytes of the same format.
    mutating func resample(
        _ source: UnsafePointer<UInt8>, rowBytes: Int, format: PixelFormat, framing: Framing,
        into output: UnsafeMutablePointer<UInt8>
    ) throws {
        let (highest, step) = (Double(format.highest), format.bytesPerPixel)
        try forEachRow(source, rowBytes, format, framing) { values, channel, row in
            let target =
                UnsafeMutableRawPointer(output)
                + (row * framing.window.width * step + channel * (step / format.channels))
            for column in 0..<framing.window.width {
                let level = UInt16(min(highest, max(0, (values[column] + 0.5).rounded(.down))))
                if format.depth == 8 {
                    target.storeBytes(of: UInt8(truncatingIfNeeded: level), toByteOffset: column * step, as: UInt8.self)
                } else {
                    target.storeBytes(of: level.littleEndian, toByteOffset: column * step, as: UInt16.self)
                }
            }
        }
    }

    /// Writes `framing`, which lies inside of the image, as values in 0...255, not rounded.
    mutating func resample(
        _ source: UnsafePointer<UInt8>, rowBytes: Int, format: PixelFormat, framing: Framing,
        into output: UnsafeMutablePointer<Float>
    ) throws {
        let (highest, channels) = (Double(format.highest), format.channels)
        let unit = 255 / highest
        try forEachRow(source, rowBytes, format, framing) { values, channel, row in
            let target = output + (row * framing.window.width * channels + channel)
            for column in 0..<framing.window.width {
                target[column * channels] = Float(min(highest, max(0, values[column])) * unit)
            }
        }
    }

    /// Calls `body` with each row of each channel of the result, not rounded or clamped.
    @inline(__always)
    private mutating func forEachRow(
        _ source: UnsafePointer<UInt8>, _ rowBytes: Int, _ format: PixelFormat, _ framing: Framing,
        _ body: (_ values: UnsafePointer<Double>, _ channel: Int, _ row: Int) -> Void
    ) throws {
        let (crop, window) = (framing.crop, framing.window)
        try columns.fill(
            input: crop.width, output: framing.width, window: window.x..<window.x + window.width, depth: format.depth)
        try rows.fill(
            input: crop.height, output: framing.height, window: window.y..<window.y + window.height,
            depth: format.depth)
        let vectors = (window.width + 7) / 8
        stride = 8 * vectors
        let groups = (rows.inputs.count + 7) / 8
        if staged.count < crop.width { staged = try OwnedBuffer(count: crop.width) }
        if narrowed.count < 8 * groups * stride { narrowed = try OwnedBuffer(count: 8 * groups * stride) }
        if row.count < vectors { row = try OwnedBuffer(count: vectors) }
        for channel in 0..<format.channels {
            for group in 0..<groups {
                let first = crop.y + rows.inputs.lowerBound + 8 * group
                let start = source + (first * rowBytes + crop.x * format.bytesPerPixel + channel * format.bytesPerValue)
                stage(start, rowBytes: rowBytes, rowCount: min(8, rows.inputs.count - 8 * group), format)
                narrow(into: narrowed.pointer + 8 * group * stride, framing, highest: Double(format.highest))
            }
            for line in 0..<window.height {
                combine(line)
                row.pointer.withMemoryRebound(to: Double.self, capacity: stride) { body($0, channel, line) }
            }
        }
    }

    /// Lays one channel of `rowCount` (1 to 8) source rows side by side; where there are fewer than eight, the last is repeated.
    private func stage(_ first: UnsafePointer<UInt8>, rowBytes: Int, rowCount: Int, _ format: PixelFormat) {
        let step = format.bytesPerPixel
        let lanes = UnsafeMutableRawPointer(staged.pointer).assumingMemoryBound(to: Double.self)
        for line in 0..<8 {
            let values = UnsafeRawPointer(first + min(line, rowCount - 1) * rowBytes)
            for column in columns.inputs {
                lanes[8 * column + line] = Double(format.value(at: values + column * step))
            }
        }
    }

    /// Eight rows of the first pass, rounded and clamped to 0...`highest`.
    private func narrow(into output: UnsafeMutablePointer<UInt16>, _ framing: Framing, highest: Double) {
        let width = framing.window.width
        for column in 0..<width {
            let position = framing.isFlipped ? width - 1 - column : column
            let inputs = staged.pointer + Int(columns.starts.pointer[position])
            let taps = columns.reals.pointer + position * columns.stride
            var sum = Lanes(repeating: 0)
            for tap in 0..<Int(columns.counts.pointer[position]) { sum += inputs[tap] * taps[tap] }
            let levels = (sum + 0.5).rounded(.down).clamped(
                lowerBound: Lanes(repeating: 0), upperBound: Lanes(repeating: highest))
            for line in 0..<8 { output[line * stride + column] = UInt16(levels[line]) }
        }
    }

    /// Row `line` of the second pass.
    private func combine(_ line: Int) {
        let start = narrowed.pointer + (Int(rows.starts.pointer[line]) - rows.inputs.lowerBound) * stride
        let taps = rows.reals.pointer + line * rows.stride
        let count = Int(rows.counts.pointer[line])
        for vector in 0..<stride / 8 {
            var sum = Lanes(repeating: 0)
            for tap in 0..<count {
                let levels = UnsafeRawPointer(start + tap * stride + 8 * vector).loadUnaligned(as: SIMD8<UInt16>.self)
                sum += Lanes(SIMD8<Int32>(truncatingIfNeeded: levels)) * taps[tap]
            }
            row.pointer[vector] = sum
        }
    }
}
