import Buffers
import Files

/// Resizes with a separable antialiased bicubic filter, columns first, rounding to 8 bits between the passes, as
/// Pillow and torchvision (antialias) do on 8-bit images.
///
/// Keeps its tables and scratch memory: after the largest image no call allocates any more.
public struct Resampler: ~Copyable {
    private var columns: ResamplingTable
    private var rows: ResamplingTable
    /// Four source rows side by side: 16 bytes a column, (row, RGB and one unused byte).
    private var staged: OwnedBuffer<SIMD16<UInt8>>
    /// The result of the first pass: rows of `width * 3` bytes, padded to whole vectors.
    private var narrowed: OwnedBuffer<UInt8>

    /// A resampler without scratch memory yet. Throws `Failure` when there is no memory at all.
    public init() throws {
        // Locals first: a throw must not leave the resampler half made.
        let columns = try ResamplingTable()
        let rows = try ResamplingTable()
        let staged = try OwnedBuffer<SIMD16<UInt8>>(count: 0)
        let narrowed = try OwnedBuffer<UInt8>(count: 0)
        self.columns = columns
        self.rows = rows
        self.staged = staged
        self.narrowed = narrowed
    }

    /// Writes `framing` of `source` to `output`: (window height, window width, 3) bytes.
    ///
    /// `source` has `width` x `height` pixels in (row, column, channel) order, rows `rowBytes` apart. Throws
    /// `Failure` when the framing does not lie inside the source or memory is short.
    public mutating func resample(
        _ source: UnsafePointer<UInt8>, width: Int, height: Int, rowBytes: Int, framing: Framing,
        into output: UnsafeMutablePointer<UInt8>
    ) throws {
        try narrow(source, width: width, height: height, rowBytes: rowBytes, framing: framing)
        let rowCount = 3 * framing.window.width
        for row in 0..<framing.window.height {
            let destination = output + row * rowCount
            forEachVector(ofRow: row, count: rowCount) { sum, column, remaining in
                let levels = rounded(sum)
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
    public mutating func resample(
        _ source: UnsafePointer<UInt8>, width: Int, height: Int, rowBytes: Int, framing: Framing,
        into output: UnsafeMutablePointer<Float>
    ) throws {
        try narrow(source, width: width, height: height, rowBytes: rowBytes, framing: framing)
        let rowCount = 3 * framing.window.width
        let unit = 1 / Float(1 << ResamplingTable.fractionBits)
        for row in 0..<framing.window.height {
            let destination = output + row * rowCount
            forEachVector(ofRow: row, count: rowCount) { sum, column, remaining in
                let values = SIMD16<Float>(clamped(sum)) * unit
                let target = UnsafeMutableRawPointer(destination + column)
                if remaining >= 16 {
                    target.storeBytes(of: values, as: SIMD16<Float>.self)
                } else {
                    withUnsafeBytes(of: values) { target.copyMemory(from: $0.baseAddress!, byteCount: 4 * remaining) }
                }
            }
        }
    }

    /// `framing` of `image` as an image.
    public mutating func resample(_ image: Image, framing: Framing) throws -> Image {
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
    private func rowStride(_ width: Int) -> Int { (3 * width + 1 + 15) / 16 * 16 }

    /// The first pass: every row that the second will need, at its final width.
    private mutating func narrow(
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
        try columns.fill(
            input: crop.width, output: framing.width, window: window.x..<window.x + window.width)
        try rows.fill(input: crop.height, output: framing.height, window: window.y..<window.y + window.height)

        let needed = rows.inputs
        let stride = rowStride(window.width)
        let groups = (needed.count + 3) / 4
        if staged.count < crop.width { staged = try OwnedBuffer(count: crop.width) }
        if narrowed.count < groups * 4 * stride { narrowed = try OwnedBuffer(count: groups * 4 * stride) }

        for group in 0..<groups {
            let first = source + (crop.y + needed.lowerBound + 4 * group) * rowBytes + 3 * crop.x
            stage(first, rowBytes: rowBytes, rowCount: min(4, needed.count - 4 * group), columnCount: crop.width)
            narrowStaged(into: narrowed.pointer + group * 4 * stride, stride: stride, framing: framing)
        }
    }

    /// Lays `rowCount` (1 to 4) source rows side by side; where there are fewer than four, the last is repeated.
    private func stage(_ first: UnsafePointer<UInt8>, rowBytes: Int, rowCount: Int, columnCount: Int) {
        let bytes = UnsafeMutableRawPointer(staged.pointer)
        let row0 = UnsafeRawPointer(first)
        let row1 = row0 + min(1, rowCount - 1) * rowBytes
        let row2 = row0 + min(2, rowCount - 1) * rowBytes
        let row3 = row0 + min(3, rowCount - 1) * rowBytes
        for column in columns.inputs {
            // Four bytes are one move, but behind the last pixel there may be none to read: step one back there.
            let isLast = column == columnCount - 1
            let offset = isLast && column > 0 ? 3 * column - 1 : 3 * column
            if isLast && column == 0 { return stageSingleColumn(row0, row1, row2, row3) }
            let shift: UInt32 = isLast ? 8 : 0
            let pixels = SIMD4<UInt32>(
                row0.loadUnaligned(fromByteOffset: offset, as: UInt32.self),
                row1.loadUnaligned(fromByteOffset: offset, as: UInt32.self),
                row2.loadUnaligned(fromByteOffset: offset, as: UInt32.self),
                row3.loadUnaligned(fromByteOffset: offset, as: UInt32.self))
            bytes.storeBytes(of: pixels &>> shift, toByteOffset: 16 * column, as: SIMD4<UInt32>.self)
        }
    }

    private func stageSingleColumn(
        _ row0: UnsafeRawPointer, _ row1: UnsafeRawPointer, _ row2: UnsafeRawPointer, _ row3: UnsafeRawPointer
    ) {
        var pixels = SIMD16<UInt8>()
        for channel in 0..<3 {
            pixels[channel] = row0.load(fromByteOffset: channel, as: UInt8.self)
            pixels[4 + channel] = row1.load(fromByteOffset: channel, as: UInt8.self)
            pixels[8 + channel] = row2.load(fromByteOffset: channel, as: UInt8.self)
            pixels[12 + channel] = row3.load(fromByteOffset: channel, as: UInt8.self)
        }
        staged.pointer[0] = pixels
    }

    /// Four rows of the first pass. Left to right: each store also writes one byte of the pixel to its right.
    private func narrowStaged(into output: UnsafeMutablePointer<UInt8>, stride: Int, framing: Framing) {
        let target = UnsafeMutableRawPointer(output)
        let starts = columns.starts.pointer
        let counts = columns.counts.pointer
        let weights = columns.weights.pointer
        let source = staged.pointer
        let width = framing.window.width
        for column in 0..<width {
            let position = framing.isFlipped ? width - 1 - column : column
            let inputs = source + Int(starts[position])
            let taps = weights + position * columns.stride
            var sum = SIMD16<Int32>(repeating: 1 << (ResamplingTable.fractionBits - 1))
            for tap in 0..<Int(counts[position]) {
                sum &+= SIMD16<Int32>(truncatingIfNeeded: inputs[tap]) &* taps[tap]
            }
            let pixels = unsafeBitCast(levels(sum), to: SIMD4<UInt32>.self)
            for row in 0..<4 {
                target.storeBytes(of: pixels[row], toByteOffset: row * stride + 3 * column, as: UInt32.self)
            }
        }
    }

    /// The second pass for one output row: hands each 16 weighted sums to `body` with the index of the first of them
    /// and how many values of the row are left from there on.
    @inline(__always)
    private func forEachVector(ofRow row: Int, count: Int, _ body: (SIMD16<Int32>, Int, Int) -> Void) {
        let stride = rowStride(count / 3)
        let start = Int(rows.starts.pointer[row]) - rows.inputs.lowerBound
        let source = UnsafeRawPointer(narrowed.pointer + start * stride)
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

/// The nearest of 0...255 to each weighted sum.
@inline(__always)
private func rounded(_ sum: SIMD16<Int32>) -> SIMD16<UInt8> {
    levels(sum &+ SIMD16(repeating: 1 << (ResamplingTable.fractionBits - 1)))
}

/// The whole part of each weighted sum, clamped to 0...255.
@inline(__always)
private func levels(_ sum: SIMD16<Int32>) -> SIMD16<UInt8> {
    SIMD16<UInt8>(truncatingIfNeeded: clamped(sum) &>> ResamplingTable.fractionBits)
}

/// Each weighted sum, clamped to 0...255.
///
/// Spelt with shifts, which compile to one instruction each; comparisons and `clamped` go lane by lane.
@inline(__always)
private func clamped(_ sum: SIMD16<Int32>) -> SIMD16<Int32> {
    let highest = SIMD16<Int32>(repeating: 255 << ResamplingTable.fractionBits)
    let below = highest &- (sum & ~(sum &>> 31))
    return highest &- (below & ~(below &>> 31))
}
