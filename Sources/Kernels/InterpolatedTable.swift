/// A learned position table (grid * grid + 1, dim) for a square of `target` patches a side.
///
/// Row 0, the class token's, stays; the others are interpolated bicubically along both sides of the square, as PyTorch does with
/// `interpolate(mode="bicubic", align_corners=False)`: patch i of the target lies at (i + 1/2) grid / target - 1/2, Keys' kernel
/// with a = -3/4, positions clamped to the square.
public func interpolatedTable(_ table: UnsafePointer<Float>, grid: Int, to target: Int, dim: Int) -> [Float] {
    let taps = (0..<target).map { cubicTaps(Double($0), from: grid, to: target) }
    var result = [Float](UnsafeBufferPointer(start: table, count: dim))
    result.reserveCapacity((target * target + 1) * dim)
    for row in taps {
        for column in taps {
            var sums = [Double](repeating: 0, count: dim)
            for (i, rowWeight) in row {
                for (j, columnWeight) in column {
                    let values = table + (1 + i * grid + j) * dim
                    for channel in 0..<dim { sums[channel] += rowWeight * columnWeight * Double(values[channel]) }
                }
            }
            result += sums.map { Float($0) }
        }
    }
    return result
}

/// The four neighbours of position `index` of `target` among `grid`, and their weights.
private func cubicTaps(_ index: Double, from grid: Int, to target: Int) -> [(Int, Double)] {
    let position = (index + 0.5) * Double(grid) / Double(target) - 0.5
    let first = position.rounded(.down)
    return (-1...2).map { offset in
        let distance = abs(position - first - Double(offset))
        return (min(max(Int(first) + offset, 0), grid - 1), cubicKernel(distance))
    }
}

/// Keys' kernel at distance d in 0...2: (a + 2) d^3 - (a + 3) d^2 + 1 up to 1, a (d^3 - 5 d^2 + 8 d - 4) beyond.
private func cubicKernel(_ d: Double) -> Double {
    let a = -0.75
    return d <= 1 ? ((a + 2) * d - (a + 3)) * d * d + 1 : a * (((d - 5) * d + 8) * d - 4)
}
