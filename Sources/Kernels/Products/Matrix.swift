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

extension Matrix {
    /// `count` rows from `first` on.
    func rows(_ first: Int, _ count: Int) -> Matrix {
        let start = elements + first * (isTransposed ? 1 : stride)
        return Matrix(elements: start, rows: count, columns: columns, stride: stride, isTransposed: isTransposed)
    }

    /// `count` columns from `first` on.
    func columns(_ first: Int, _ count: Int) -> Matrix { transposed.rows(first, count).transposed }

    /// The same matrix of floats, where they are rounded.
    var ofFloats: Matrix {
        Matrix(
            elements: Operand(elements.floats), rows: rows, columns: columns, stride: stride, isTransposed: isTransposed
        )
    }
}

/// C = scale A B, or C = C + scale A B with `isAdding`, of floats, on the calling thread.
///
/// A is (m, k), B is (k, n), C is (m, n).
package func multiply(_ a: Matrix, _ b: Matrix, into c: Matrix, scale: Float = 1, isAdding: Bool = false) {
    precondition(a.columns == b.rows && a.rows == c.rows && b.columns == c.columns && !c.isTransposed)
    precondition(
        a.elements.format == .float32 && b.elements.format == .float32 && c.elements.format == .float32)
    guard c.rows > 0, c.columns > 0 else { return }
    cblas_sgemm(
        CblasRowMajor, a.isTransposed ? CblasTrans : CblasNoTrans, b.isTransposed ? CblasTrans : CblasNoTrans,
        blasint(c.rows), blasint(c.columns), blasint(a.columns), scale, a.elements.floats, blasint(max(1, a.stride)),
        b.elements.floats, blasint(max(1, b.stride)), isAdding ? 1 : 0, c.elements.floats, blasint(c.stride))
}
