import Foundation

/// The fixed two-dimensional sine-cosine position table (grid * grid + 1, dim). Row 0, the class token's, is zero.
///
/// The first half of the channels encodes the patch's column, the second half its row. Each half is [sin, cos] of
/// position * 10000^(-i / (dim / 4)). For weights trained on a grid of `trained` patches per side, the positions are
/// interpolated: patch i is at (i + 1/2) trained / grid - 1/2. Computed in single precision, as in the published
/// checkpoints.
/// Source: He et al., Masked Autoencoders Are Scalable Vision Learners (arXiv 2111.06377), appendix A.1.
package func positionTable(dim: Int, grid: Int, trained: Int? = nil) -> [Float] {
    let frequencies = (0..<dim / 4).map { 1 / powf(10_000, Float($0) / Float(dim / 4)) }
    var table = [Float](repeating: 0, count: dim)
    table.reserveCapacity((grid * grid + 1) * dim)
    let positions = (0..<grid).map { (Float($0) + 0.5) * Float(trained ?? grid) / Float(grid) - 0.5 }
    for row in positions {
        for column in positions {
            for position in [column, row] {
                table += frequencies.map { sinf(position * $0) }
                table += frequencies.map { cosf(position * $0) }
            }
        }
    }
    return table
}

/// Interpolates a learned position table (grid * grid + 1, dim) to `target` patches per side.
///
/// Row 0, the class token's, is copied. The other rows are interpolated as PyTorch does with
/// `interpolate(mode="bicubic", align_corners=False)`: patch i of the target is at (i + 1/2) grid / target - 1/2, with
/// Keys' kernel, a = -3/4, and positions clamped to the grid.
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

/// The four grid positions around target position `index`, and their weights.
private func cubicTaps(_ index: Double, from grid: Int, to target: Int) -> [(Int, Double)] {
    let position = (index + 0.5) * Double(grid) / Double(target) - 0.5
    let first = position.rounded(.down)
    return (-1...2).map { offset in
        let weight = cubicKernel(position - first - Double(offset), coefficient: -0.75)
        return (min(max(Int(first) + offset, 0), grid - 1), weight)
    }
}

/// Keys' cubic convolution kernel with coefficient a. It is zero outside -2...2. With d = |x|:
///
///     (a + 2) d^3 - (a + 3) d^2 + 1      d < 1
///     a (d^3 - 5 d^2 + 8 d - 4)          d < 2
///
/// Source: Keys, Cubic Convolution Interpolation for Digital Image Processing (IEEE Transactions on Acoustics, Speech,
/// and Signal Processing 29, 1981).
@inlinable
package func cubicKernel(_ x: Double, coefficient a: Double) -> Double {
    let d = abs(x)
    if d < 1 { return ((a + 2) * d - (a + 3)) * d * d + 1 }
    if d < 2 { return (((d - 5) * d + 8) * d - 4) * a }
    return 0
}
