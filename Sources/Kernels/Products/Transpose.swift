// Matrices are processed in blocks of 16 x 16, which stay in the L1 cache. Their extents are multiples of 16.

/// The first column of the 16 x 16 block at `block`.
@inline(__always)
private func column<Scalar: SIMDScalar>(_ block: UnsafePointer<Scalar>, _ stride: Int) -> SIMD16<Scalar> {
    SIMD16(
        block[0], block[stride], block[2 &* stride], block[3 &* stride], block[4 &* stride], block[5 &* stride],
        block[6 &* stride], block[7 &* stride], block[8 &* stride], block[9 &* stride], block[10 &* stride],
        block[11 &* stride], block[12 &* stride], block[13 &* stride], block[14 &* stride], block[15 &* stride])
}

/// Writes the transpose of the 16 x 16 block at `source` to `target`.
@inline(__always)
private func transposeBlock<Scalar: SIMDScalar>(
    _ source: UnsafePointer<Scalar>, _ sourceStride: Int, to target: UnsafeMutablePointer<Scalar>, _ targetStride: Int
) {
    for line in 0..<16 {
        let values = column(source + line, sourceStride)
        UnsafeMutableRawPointer(target + line &* targetStride).storeBytes(of: values, as: SIMD16<Scalar>.self)
    }
}

/// target (columns, rows) = the transpose of source (rows, columns).
@inline(__always)
func transpose<Scalar: SIMDScalar>(
    _ source: UnsafePointer<Scalar>, stride: Int, rows: Int, columns: Int, to target: UnsafeMutablePointer<Scalar>,
    targetStride: Int
) {
    for row in Swift.stride(from: 0, to: rows, by: 16) {
        for column in Swift.stride(from: 0, to: columns, by: 16) {
            transposeBlock(
                source + (row &* stride &+ column), stride, to: target + (column &* targetStride &+ row), targetStride)
        }
    }
}

/// Copies the blocks above the diagonal to those below it, transposed, so that the matrix is symmetric.
func mirror(_ matrix: UnsafeMutablePointer<Float>, extent: Int) {
    for top in stride(from: 0, to: extent, by: 16) {
        for left in stride(from: 0, to: top, by: 16) {
            transposeBlock(matrix + (left &* extent &+ top), extent, to: matrix + (top &* extent &+ left), extent)
        }
    }
}

/// G = G + G^T in place.
func symmetrise(_ matrix: UnsafeMutablePointer<Float>, extent: Int) {
    for top in stride(from: 0, to: extent, by: 16) {
        symmetriseDiagonal(matrix + (top &* extent &+ top), extent)
        for left in stride(from: 0, to: top, by: 16) {
            let lower = matrix + (top &* extent &+ left)
            let upper = matrix + (left &* extent &+ top)
            for line in 0..<16 {
                let sums = load(lower + line &* extent, 16) + column(upper + line, extent)
                store(sums, lower + line &* extent, 16)
            }
            transposeBlock(lower, extent, to: upper, extent)
        }
    }
}

private func symmetriseDiagonal(_ block: UnsafeMutablePointer<Float>, _ stride: Int) {
    for row in 0..<16 {
        for column in row..<16 {
            let sum = block[row &* stride &+ column] + block[column &* stride &+ row]
            block[row &* stride &+ column] = sum
            block[column &* stride &+ row] = sum
        }
    }
}
