/// A learned position table (grid * grid + 1, dim) for a square of `target` patches a side.
///
/// Row 0, the class token's, stays; the others are interpolated bicubically along both sides of the square, as PyTorch does with
/// `interpolate(mode="bicubic", align_corners=False)`: patch i of the target lies at (i + 1/2) grid / target - 1/2, Keys' kernel
/// with a = -3/4, positions clamped to the square.
package func interpolatedTable(_ table: UnsafePointer<Float>, grid: Int, to target: Int, dim: Int) -> [Float] {
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
        let weight = cubicKernel(position - first - Double(offset), coefficient: -0.75)
        return (min(max(Int(first) + offset, 0), grid - 1), weight)
    }
}
