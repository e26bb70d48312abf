import COpenBLAS

/// A row-major view of floats that somebody else owns: element (i, j) is at `i * stride + j`.
public struct Matrix {
    let pointer: UnsafeMutablePointer<Float>
    let rows: Int
    let columns: Int
    let stride: Int
    let isTransposed: Bool

    /// A view of `rows` x `columns` elements from `pointer` on; `stride` (default: `columns`) is the distance of rows.
    @inline(__always)
    public init(_ pointer: UnsafeMutablePointer<Float>, _ rows: Int, _ columns: Int, stride: Int? = nil) {
        self.init(pointer, rows, columns, stride ?? columns, isTransposed: false)
    }

    @inline(__always)
    private init(
        _ pointer: UnsafeMutablePointer<Float>, _ rows: Int, _ columns: Int, _ stride: Int, isTransposed: Bool
    ) {
        self.pointer = pointer
        self.rows = rows
        self.columns = columns
        self.stride = stride
        self.isTransposed = isTransposed
    }

    /// The same elements with rows and columns exchanged. Not for a result.
    @inline(__always)
    public var transposed: Matrix {
        Matrix(pointer, columns, rows, stride, isTransposed: !isTransposed)
    }
}

/// C = scale A B, or C = C + scale A B when `isAdding`, on one core.
///
/// A is (m, k), B is (k, n), C is (m, n).
@inline(__always)
public func multiply(_ a: Matrix, _ b: Matrix, into c: Matrix, scale: Float = 1, isAdding: Bool = false) {
    precondition(a.columns == b.rows && a.rows == c.rows && b.columns == c.columns && !c.isTransposed)
    cblas_sgemm(
        CblasRowMajor, a.isTransposed ? CblasTrans : CblasNoTrans, b.isTransposed ? CblasTrans : CblasNoTrans,
        blasint(c.rows), blasint(c.columns), blasint(a.columns), scale, a.pointer, blasint(a.stride), b.pointer,
        blasint(b.stride), isAdding ? 1 : 0, c.pointer, blasint(c.stride))
}

/// Keeps OpenBLAS to the calling thread, so that ranks on one machine do not take each other's cores. Call it
/// once, before the first product.
public func useSingleThreadedProducts() {
    openblas_set_num_threads(1)
}
