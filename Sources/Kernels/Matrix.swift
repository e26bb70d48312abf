import COneDNN
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

/// C = scale A B, or C = C + scale A B when `isAdding`, on the calling thread.
///
/// A is (m, k), B is (k, n), C is (m, n). oneDNN is up to a tenth faster than OpenBLAS in the shapes that matter, but for
/// A^T B on processors without AVX-512 (BENCHMARKS.md has the figures).
@inline(__always)
public func multiply(_ a: Matrix, _ b: Matrix, into c: Matrix, scale: Float = 1, isAdding: Bool = false) {
    precondition(a.columns == b.rows && a.rows == c.rows && b.columns == c.columns && !c.isTransposed)
    guard c.rows > 0, a.columns > 0 else {
        // A thread without images. oneDNN leaves C alone then, where the empty sum is zero.
        if !isAdding {
            for row in 0..<c.rows { (c.pointer + row * c.stride).update(repeating: 0, count: c.columns) }
        }
        return
    }
    if a.isTransposed && !hasWideVectors {
        cblas_sgemm(
            CblasRowMajor, CblasTrans, b.isTransposed ? CblasTrans : CblasNoTrans, blasint(c.rows),
            blasint(c.columns), blasint(a.columns), scale, a.pointer, blasint(a.stride), b.pointer,
            blasint(b.stride), isAdding ? 1 : 0, c.pointer, blasint(c.stride))
    } else {
        let status = dnnl_sgemm(
            letter(a), letter(b), dnnl_dim_t(c.rows), dnnl_dim_t(c.columns), dnnl_dim_t(a.columns), scale, a.pointer,
            dnnl_dim_t(a.stride), b.pointer, dnnl_dim_t(b.stride), isAdding ? 1 : 0, c.pointer,
            dnnl_dim_t(c.stride))
        precondition(status == dnnl_success, "oneDNN has no memory for a product")
    }
}

/// Whether oneDNN computes with AVX-512. Its sets of instructions are sets of bits.
private let hasWideVectors: Bool = {
    let wide = dnnl_cpu_isa_avx512_core.rawValue
    return dnnl_get_effective_cpu_isa().rawValue & wide == wide
}()

@inline(__always)
private func letter(_ matrix: Matrix) -> CChar { CChar(matrix.isTransposed ? 84 : 78) }  // "T" : "N"

/// Keeps products to the thread that calls them: ranks and threads divide the work themselves. Every thread that
/// calls `multiply` calls this before.
public func useSingleThreadedProducts() {
    openblas_set_num_threads(1)
    omp_set_num_threads(1)
}
