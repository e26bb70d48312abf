import Base

/// The first pass of a `Resampler`: resizes rows to their final width. Four rows at a time, because a pixel of four rows is a vector.
struct RowResampler: ~Copyable {
    private var columns: ResamplingTable
    /// Four source rows side by side: 16 bytes a column, (row, RGB and one unused byte).
    private var staged: OwnedBuffer<SIMD16<UInt8>>
    /// The rows, `stride` apart: 3 bytes a pixel, padded to whole vectors.
    private(set) var output: OwnedBuffer<UInt8>
    /// Bytes from one row of `output` to the next.
    private(set) var stride = 0

    init() throws {
        // Locals first, so that a throw leaves nothing half initialised.
        let columns = try ResamplingTable()
        let staged = try OwnedBuffer<SIMD16<UInt8>>(count: 0)
        let output = try OwnedBuffer<UInt8>(count: 0)
        self.columns = columns
        self.staged = staged
        self.output = output
    }

    /// Writes the rows `rows` of the crop of `framing`, at the width of its window, to `output`. `source` is the image, its rows
    /// `rowBytes` apart, and the crop lies inside of it.
    mutating func run(
        _ source: UnsafePointer<UInt8>, rowBytes: Int, framing: Framing, rows: Range<Int>
    ) throws {
        let (crop, window) = (framing.crop, framing.window)
        try columns.fill(
            input: crop.width, output: framing.width, window: window.x..<window.x + window.width)
        stride = (3 * window.width + 1 + 15) / 16 * 16
        let groups = (rows.count + 3) / 4
        if staged.count < crop.width { staged = try OwnedBuffer(count: crop.width) }
        if output.count < groups * 4 * stride { output = try OwnedBuffer(count: groups * 4 * stride) }

        for group in 0..<groups {
            let first = source + (crop.y + rows.lowerBound + 4 * group) * rowBytes + 3 * crop.x
            stage(first, rowBytes: rowBytes, rowCount: min(4, rows.count - 4 * group), columnCount: crop.width)
            narrowStaged(into: output.pointer + group * 4 * stride, framing: framing)
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
    private func narrowStaged(into output: UnsafeMutablePointer<UInt8>, framing: Framing) {
        let target = UnsafeMutableRawPointer(output)
        let starts = columns.starts.pointer
        let counts = columns.counts.pointer
        let weights = columns.weights.pointer
        let source = staged.pointer
        let (width, stride) = (framing.window.width, stride)
        for column in 0..<width {
            let position = framing.isFlipped ? width - 1 - column : column
            let inputs = source + Int(starts[position])
            let taps = weights + position * columns.stride
            var sum = SIMD16<Int32>(repeating: 1 << (ResamplingTable.fractionBits - 1))
            for tap in 0..<Int(counts[position]) {
                sum &+= SIMD16<Int32>(truncatingIfNeeded: inputs[tap]) &* taps[tap]
            }
            let pixels = unsafeBitCast(wholeLevels(sum), to: SIMD4<UInt32>.self)
            for row in 0..<4 {
                target.storeBytes(of: pixels[row], toByteOffset: row * stride + 3 * column, as: UInt32.self)
            }
        }
    }
}
