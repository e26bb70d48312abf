import Base
import COneDNN
import COpenBLAS
import Foundation

package struct ProductLibraries: Codable, Equatable, Sendable {
    /// OpenBLAS's version, and the processor for which it selected kernels.
    package var openBLAS, kernel: String
    /// oneDNN's version, and the widest instruction set that it uses.
    package var oneDNN, instructions: String
    /// Whether oneDNN has native bf16 products on this processor.
    package var hasBFloat16: Bool

    package static var current: ProductLibraries {
        let configuration = String(cString: openblas_get_config()).split(separator: " ")
        let version = dnnl_version()?.pointee
        return ProductLibraries(
            openBLAS: configuration.dropFirst().first.map(String.init) ?? "unknown",
            kernel: String(cString: openblas_get_corename()),
            oneDNN: version.map { "\($0.major).\($0.minor).\($0.patch)" } ?? "unknown",
            instructions: String(cString: crate_dnnl_widest_isa()), hasBFloat16: crate_dnnl_has_bf16())
    }
}

/// Makes products run on the calling thread only, because the work is already divided between ranks and threads. Each
/// thread must call this before it calls `multiply`.
package func useSingleThreadedProducts() {
    openblas_set_num_threads(1)
    omp_set_num_threads(1)
}

/// The throughput of single-threaded products in floating-point operations per second: the best of `repetitions` runs
/// over the three product shapes that dominate a model of width `dim`. It is an upper bound for a training step.
///
/// Throws `Failure` if there is not enough memory for the matrices.
package func productRate(dim: Int, rows: Int, format: OperandFormat, repetitions: Int) throws -> Double {
    let a = try OwnedBuffer<Float>(count: rows * dim)
    let b = try OwnedBuffer<Float>(count: dim * dim)
    let c = try OwnedBuffer<Float>(count: max(rows, dim) * dim)
    for i in 0..<a.count { a.pointer[i] = Float(i % 7) * 0.1 }
    for i in 0..<b.count { b.pointer[i] = Float(i % 5) * 0.1 }
    let (first, second) = (Operand(a.pointer, format), Operand(b.pointer, format))
    convert(a.pointer, count: a.count, into: first)
    convert(b.pointer, count: b.count, into: second)
    let (tokens, weight) = (Matrix(first, rows, dim), Matrix(second, dim, dim))
    let (result, gradient) = (Matrix(c.pointer, rows, dim), Matrix(c.pointer, dim, dim))
    useSingleThreadedProducts()
    var best = 0.0
    for _ in 0..<repetitions {
        for shape in 0..<3 {
            let start = DispatchTime.now().uptimeNanoseconds
            switch shape {
            case 0: multiply(tokens, weight.transposed, into: result)
            case 1: multiply(tokens, weight, into: result)
            default: multiply(tokens.transposed, tokens, into: gradient)
            }
            let seconds = Double(DispatchTime.now().uptimeNanoseconds - start) * 1e-9
            best = max(best, 2 * Double(rows) * Double(dim) * Double(dim) / seconds)
        }
    }
    return best
}
