// Products of matrices that stay in cache, the heads of an attention layer: C (m, n) = A B. Tiles of 6 x 16 sums fill
// the registers of AVX2 and leave AVX-512 enough independent sums; operands are read where they lie, without packing.

/// Rows of a tile. Whoever multiplies rounds m up to a multiple of it and lets operands and result have the room.
let tileRows = 6

/// The factors of a product: A's element (i, k) is `a[i * rowStride + k * stepStride]`, B's (k, j) is `b[k * bStride + j]`.
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

/// The sums of one tile.
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

/// C = A B, or A B + A' B': `rows` rounded up to tiles, `columns` a multiple of 16. For few columns and a deep sum: the rows
/// of A that a tile needs stay in the first cache for all columns.
@inline(__always)
func tileProduct(
    _ factors: TileFactors, plus others: TileFactors? = nil, rows: Int, columns: Int,
    into c: UnsafeMutablePointer<Float>, stride: Int
) {
    var row = 0
    while row < rows {
        var column = 0
        while column < columns {
            var tile = TileSums()
            tile.add(factors, row: row, column: column)
            if let others { tile.add(others, row: row, column: column) }
            tile.store(to: c + (row &* stride &+ column), stride: stride)
            column &+= 16
        }
        row &+= tileRows
    }
}

/// C = A B as `tileProduct`, for many columns and a short sum: the columns of B that a tile needs stay in the first cache
/// for all rows. With `isSymmetric` only tiles that reach the diagonal or what is right of it, in blocks of 16 columns.
func tileProductByColumns(
    _ factors: TileFactors, rows: Int, columns: Int, isSymmetric: Bool, into c: UnsafeMutablePointer<Float>,
    stride: Int
) {
    var column = 0
    while column < columns {
        let end = isSymmetric ? min(rows, column &+ 16) : rows
        var row = 0
        while row < end {
            var tile = TileSums()
            tile.add(factors, row: row, column: column)
            tile.store(to: c + (row &* stride &+ column), stride: stride)
            row &+= tileRows
        }
        column &+= 16
    }
}
