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
}

extension RowResampler {
    init() throws {
        self.init(
            columns: try ResamplingTable(), staged: try OwnedBuffer(count: 0), output: try OwnedBuffer(count: 0))
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
        let rows = [4 of UnsafeRawPointer] { UnsafeRawPointer(first + min($0, rowCount - 1) * rowBytes) }
        if columnCount == 1 {
            for row in 0..<4 { (bytes + 4 * row).copyMemory(from: rows[row], byteCount: 3) }
            return
        }
        for column in columns.inputs {
            // Four bytes are one move, but behind the last pixel there may be none to read: step one back there.
            let isLast = column == columnCount - 1
            var pixels = SIMD4<UInt32>()
            for row in 0..<4 {
                pixels[row] = rows[row].loadUnaligned(fromByteOffset: 3 * column - (isLast ? 1 : 0), as: UInt32.self)
            }
            bytes.storeBytes(of: pixels &>> (isLast ? 8 : 0), toByteOffset: 16 * column, as: SIMD4<UInt32>.self)
        }
    }

    /// Four rows of the first pass. Left to right: each store also writes one byte of the pixel to its right.
    private func narrowStaged(into output: UnsafeMutablePointer<UInt8>, framing: Framing) {
        let target = UnsafeMutableRawPointer(output)
        let (width, stride) = (framing.window.width, stride)
        for column in 0..<width {
            let position = framing.isFlipped ? width - 1 - column : column
            let inputs = staged.pointer + Int(columns.starts.pointer[position])
            let taps = columns.weights.pointer + position * columns.stride
            var sum = SIMD16<Int32>(repeating: 1 << (ResamplingTable.fractionBits - 1))
            for tap in 0..<Int(columns.counts.pointer[position]) {
                sum &+= SIMD16<Int32>(truncatingIfNeeded: inputs[tap]) &* taps[tap]
            }
            let pixels = unsafeBitCast(wholeLevels(sum), to: SIMD4<UInt32>.self)
            for row in 0..<4 {
                target.storeBytes(of: pixels[row], toByteOffset: row * stride + 3 * column, as: UInt32.self)
            }
        }
    }
}
