// Products of matrices that fit in cache, such as attention heads: C (m, n) = A B. A tile of 6 x 16 sums fills the
// registers of AVX2 and gives AVX-512 enough independent sums. Operands are read in place, without packing.

/// Rows per tile. m is rounded up to a multiple of it, and operands and result must have memory for the extra rows.
let tileRows = 6

/// A's element (i, k) is `a[i * rowStride + k * stepStride]`, and B's element (k, j) is `b[k * bStride + j]`.
struct TileFactors {
    let a: UnsafePointer<Float>
    let rowStride: Int
    let stepStride: Int
    let b: UnsafePointer<Float>
    let bStride: Int
    let depth: Int

    /// A (m, depth) times B (depth, n), both row-major.
    @inline(__always)
    init(_ a: UnsafePointer<Float>, stride: Int, _ b: UnsafePointer<Float>, bStride: Int, depth: Int) {
        (self.a, rowStride, stepStride) = (a, stride, 1)
        (self.b, self.bStride, self.depth) = (b, bStride, depth)
    }

    /// A^T times B, where A (depth, m) and B (depth, n) are row-major.
    @inline(__always)
    init(transposed a: UnsafePointer<Float>, stride: Int, _ b: UnsafePointer<Float>, bStride: Int, depth: Int) {
        (self.a, rowStride, stepStride) = (a, 1, stride)
        (self.b, self.bStride, self.depth) = (b, bStride, depth)
    }
}

private struct TileSums {
    var sums: (Vector, Vector, Vector, Vector, Vector, Vector) = (.zero, .zero, .zero, .zero, .zero, .zero)

    @inline(__always)
    mutating func add(_ factors: TileFactors, row: Int, column: Int) {
        var a = factors.a + row &* factors.rowStride
        var b = factors.b + column
        let stride = factors.rowStride
        var left = factors.depth
        while left > 0 {
            let line = load(b, 16)
            sums.0.addProduct(Vector(repeating: a[0]), line)
            sums.1.addProduct(Vector(repeating: a[stride]), line)
            sums.2.addProduct(Vector(repeating: a[2 &* stride]), line)
            sums.3.addProduct(Vector(repeating: a[3 &* stride]), line)
            sums.4.addProduct(Vector(repeating: a[4 &* stride]), line)
            sums.5.addProduct(Vector(repeating: a[5 &* stride]), line)
            a += factors.stepStride
            b += factors.bStride
            left &-= 1
        }
    }

    @inline(__always)
    func store(to c: UnsafeMutablePointer<Float>, stride: Int) {
        Kernels.store(sums.0, c, 16)
        Kernels.store(sums.1, c + stride, 16)
        Kernels.store(sums.2, c + 2 &* stride, 16)
        Kernels.store(sums.3, c + 3 &* stride, 16)
        Kernels.store(sums.4, c + 4 &* stride, 16)
        Kernels.store(sums.5, c + 5 &* stride, 16)
    }
}

/// C = A B, or C = A B + A' B'. `rows` is rounded up to whole tiles, and `columns` must be a multiple of 16. For few
/// columns and a large depth: the rows of A that a tile reads stay in the L1 cache for all columns.
@inline(__always)
func tileProduct(
    _ factors: TileFactors, plus others: TileFactors? = nil, rows: Int, columns: Int,
    into c: UnsafeMutablePointer<Float>, stride: Int
) {
    for row in Swift.stride(from: 0, to: rows, by: tileRows) {
        for (column, _) in Vectors(columns) {
            var tile = TileSums()
            tile.add(factors, row: row, column: column)
            if let others { tile.add(others, row: row, column: column) }
            tile.store(to: c + (row &* stride &+ column), stride: stride)
        }
    }
}

/// C = A B as in `tileProduct`, for many columns and a small depth: the columns of B that a tile reads stay in the L1
/// cache for all rows. With `isSymmetric`, tiles entirely below the diagonal are skipped, in blocks of 16 columns.
func tileProductByColumns(
    _ factors: TileFactors, rows: Int, columns: Int, isSymmetric: Bool, into c: UnsafeMutablePointer<Float>,
    stride: Int
) {
    for (column, _) in Vectors(columns) {
        let end = isSymmetric ? min(rows, column &+ 16) : rows
        for row in Swift.stride(from: 0, to: end, by: tileRows) {
            var tile = TileSums()
            tile.add(factors, row: row, column: column)
            tile.store(to: c + (row &* stride &+ column), stride: stride)
        }
    }
}
