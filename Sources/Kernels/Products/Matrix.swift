import COneDNN
import COpenBLAS

/// A row-major view of elements that somebody else owns: element (i, j) is at `i * stride + j`.
package struct Matrix {
    let elements: Operand
    let rows: Int
    let columns: Int
    let stride: Int
    let isTransposed: Bool

    /// A view of `rows` x `columns` elements; `stride` (default: `columns`) is the distance of rows.
    @inline(__always)
    package init(_ elements: Operand, _ rows: Int, _ columns: Int, stride: Int? = nil) {
        self.init(elements, rows, columns, stride ?? columns, isTransposed: false)
    }

    /// A view of `rows` x `columns` floats.
    @inline(__always)
    package init(_ pointer: UnsafeMutablePointer<Float>, _ rows: Int, _ columns: Int, stride: Int? = nil) {
        self.init(Operand(pointer), rows, columns, stride: stride)
    }

    @inline(__always)
    private init(_ elements: Operand, _ rows: Int, _ columns: Int, _ stride: Int, isTransposed: Bool) {
        self.elements = elements
        self.rows = rows
        self.columns = columns
        self.stride = stride
        self.isTransposed = isTransposed
    }

    /// The same elements with rows and columns exchanged. Not for a result.
    @inline(__always)
    package var transposed: Matrix {
        Matrix(elements, columns, rows, stride, isTransposed: !isTransposed)
    }
}

/// C = scale A B, or C = C + scale A B when `isAdding`, on the calling thread.
///
/// A is (m, k), B is (k, n), C is (m, n). A and B are of one format. C may be of the same, or floats; only floats can be
/// added to. There is no scale for `bfloat16`.
package func multiply(_ a: Matrix, _ b: Matrix, into c: Matrix, scale: Float = 1, isAdding: Bool = false) {
    precondition(a.columns == b.rows && a.rows == c.rows && b.columns == c.columns && !c.isTransposed)
    precondition(a.elements.format == b.elements.format && (!isAdding || c.elements.format == .float32))
    guard c.rows > 0, a.columns > 0 else {
        // A thread without images. oneDNN leaves C alone then, where the empty sum is zero.
        if !isAdding { clear(c) }
        return
    }
    if a.elements.format == .bfloat16 {
        precondition(scale == 1)
        return multiplyBFloat16(a, b, into: c, isAdding: isAdding)
    }
    multiplyFloat(a, b, into: c, scale: scale, isAdding: isAdding)
    if c.elements.format == .roundedFloat32 {
        for row in 0..<c.rows {
            let line = c.elements + row * c.stride
            convert(line.floats, count: c.columns, into: line)
        }
    }
}

/// oneDNN is up to a tenth faster than OpenBLAS in the shapes that matter, but for A^T B on processors without AVX-512
/// (BENCHMARKS.md has the figures).
private func multiplyFloat(_ a: Matrix, _ b: Matrix, into c: Matrix, scale: Float, isAdding: Bool) {
    if a.isTransposed && !hasWideVectors {
        cblas_sgemm(
            CblasRowMajor, CblasTrans, b.isTransposed ? CblasTrans : CblasNoTrans, blasint(c.rows),
            blasint(c.columns), blasint(a.columns), scale, a.elements.floats, blasint(a.stride), b.elements.floats,
            blasint(b.stride), isAdding ? 1 : 0, c.elements.floats, blasint(c.stride))
    } else {
        let status = dnnl_sgemm(
            letter(a), letter(b), dnnl_dim_t(c.rows), dnnl_dim_t(c.columns), dnnl_dim_t(a.columns), scale,
            a.elements.floats, dnnl_dim_t(a.stride), b.elements.floats, dnnl_dim_t(b.stride), isAdding ? 1 : 0,
            c.elements.floats, dnnl_dim_t(c.stride))
        precondition(status == dnnl_success, "oneDNN has no memory for a product")
    }
}

private let hasWideVectors = crate_dnnl_has_avx512()

private func letter(_ matrix: Matrix) -> CChar { CChar(matrix.isTransposed ? 84 : 78) }  // "T" : "N"

private func multiplyBFloat16(_ a: Matrix, _ b: Matrix, into c: Matrix, isAdding: Bool) {
    var shape = crate_bf16_product(
        m: Int64(c.rows), n: Int64(c.columns), k: Int64(a.columns), a_stride: Int64(a.stride),
        b_stride: Int64(b.stride), c_stride: Int64(c.stride), a_is_transposed: a.isTransposed ? 1 : 0,
        b_is_transposed: b.isTransposed ? 1 : 0, c_is_bf16: c.elements.format == .bfloat16 ? 1 : 0,
        is_adding: isAdding ? 1 : 0)
    let status = crate_bf16_multiply(&shape, a.elements.memory, b.elements.memory, c.elements.memory)
    precondition(status == dnnl_success, "oneDNN has no bf16 product of this shape, or no memory for it")
}

private func clear(_ c: Matrix) {
    for row in 0..<c.rows {
        let line = c.elements + row * c.stride
        line.memory.initializeMemory(as: UInt8.self, repeating: 0, count: c.columns * c.elements.format.stride)
    }
}

/// Keeps products to the thread that calls them: ranks and threads divide the work themselves. Every thread that
/// calls `multiply` calls this before.
package func useSingleThreadedProducts() {
    openblas_set_num_threads(1)
    omp_set_num_threads(1)
}
