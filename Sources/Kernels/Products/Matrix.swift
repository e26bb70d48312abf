import COneDNN
import COpenBLAS

/// A row-major view of memory that it does not own: element (i, j) is at `i * stride + j`.
package struct Matrix {
    let elements: Operand
    let rows: Int
    let columns: Int
    let stride: Int
    let isTransposed: Bool
}

extension Matrix {
    /// `stride` is the distance between rows in elements, `columns` by default.
    @inline(__always)
    package init(_ elements: Operand, _ rows: Int, _ columns: Int, stride: Int? = nil) {
        self.init(elements: elements, rows: rows, columns: columns, stride: stride ?? columns, isTransposed: false)
    }

    @inline(__always)
    package init(_ pointer: UnsafeMutablePointer<Float>, _ rows: Int, _ columns: Int, stride: Int? = nil) {
        self.init(Operand(pointer), rows, columns, stride: stride)
    }

    /// The transpose, without copying. It cannot be the result of a product.
    @inline(__always)
    package var transposed: Matrix {
        Matrix(elements: elements, rows: columns, columns: rows, stride: stride, isTransposed: !isTransposed)
    }
}

/// C = scale A B, or C = C + scale A B with `isAdding`, on the calling thread.
///
/// A is (m, k), B is (k, n), C is (m, n). A and B have the same format. C has that format or `float32`, and must be
/// `float32` with `isAdding`. `scale` must be 1 for `bfloat16`.
package func multiply(_ a: Matrix, _ b: Matrix, into c: Matrix, scale: Float = 1, isAdding: Bool = false) {
    precondition(a.columns == b.rows && a.rows == c.rows && b.columns == c.columns && !c.isTransposed)
    precondition(a.elements.format == b.elements.format && (!isAdding || c.elements.format == .float32))
    guard c.rows > 0, a.columns > 0 else {
        // A thread without images. oneDNN does not write C in this case, but an empty sum is zero.
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

/// oneDNN is up to 10% faster than OpenBLAS, except for A^T B on processors without AVX-512 (see BENCHMARKS.md).
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
