import Base
import CKernels
import COpenBLAS
import Foundation

package struct ProductLibraries: Codable, Equatable, Sendable {
    /// The set of CKernels' functions in use, by its instructions.
    package var kernels: String
    /// Whether it has native bf16 products.
    package var hasBFloat16: Bool
    /// Whether it was not written for the processor.
    package var isSlow: Bool { kernels == KernelSet.portableName }
    /// OpenBLAS's version, and the processor for which it selected kernels.
    package var openBLAS, openBLASKernel: String

    package static var current: ProductLibraries {
        let configuration = String(cString: openblas_get_config()).split(separator: " ")
        return ProductLibraries(
            kernels: KernelSet.current.name, hasBFloat16: Precision.hasBFloat16Products,
            openBLAS: configuration.dropFirst().first.map(String.init) ?? "unknown",
            openBLASKernel: String(cString: openblas_get_corename()))
    }
}

/// Makes OpenBLAS run on the calling thread only, because the work is already divided between ranks and threads. Each
/// thread must call this before it calls `multiply`.
package func useSingleThreadedProducts() { openblas_set_num_threads(1) }

/// Makes denormal floats zeros, on this thread and those that it starts from now on. See `crate_flush_denormals`.
package func flushDenormals() { crate_flush_denormals() }

/// The floating-point operations per second of a core whose operands are in registers: the best of ten measurements.
package func arithmeticPeak(_ format: OperandFormat) -> Double {
    (0..<10).reduce(0) { best, _ in
        let start = DispatchTime.now().uptimeNanoseconds
        let operations = kernels.exercise(format.elements, 200_000)
        return max(best, operations / Double(DispatchTime.now().uptimeNanoseconds - start) * 1e9)
    }
}

/// The throughput of single-threaded products in floating-point operations per second: the best of `repetitions` runs
/// over the three product shapes that dominate a model of width `dim`. It is an upper bound for a training step.
///
/// Throws `Failure` if there is not enough memory for the matrices.
package func productRate(
    dim: Int, rows: Int, _ precision: Precision, _ backend: ProductBackend, repetitions: Int
) throws -> Double {
    let format = precision.format(backend)
    let a = try OwnedBuffer<Float>(count: rows * dim)
    let b = try OwnedBuffer<Float>(count: dim * dim)
    let c = try OwnedBuffer<Float>(count: max(rows, dim) * dim)
    let panels = try OwnedBuffer<Float>(count: PackedMatrix.count(depth: dim, columns: dim))
    let scratch = try OwnedBuffer<Float>(count: productScratchCount)
    for i in 0..<a.count { a.pointer[i] = Float(i % 7) * 0.1 }
    for i in 0..<b.count { b.pointer[i] = Float(i % 5) * 0.1 }
    let tokens = Matrix(Operand(a.pointer, format), rows, dim)
    convert(a.pointer, count: a.count, into: tokens.elements)
    let weight = PackedMatrix(Operand(panels.pointer, format), depth: dim, columns: dim, backend)
    let (result, gradient) = (Matrix(c.pointer, rows, dim), Matrix(c.pointer, dim, dim))
    useSingleThreadedProducts()
    var best = 0.0
    for isTransposed in [true, false] {
        weight.pack(b.pointer, isTransposed: isTransposed)
        for _ in 0..<repetitions {
            let start = DispatchTime.now().uptimeNanoseconds
            multiply(tokens, weight, into: result)
            let middle = DispatchTime.now().uptimeNanoseconds
            addProduct(tokens.transposed, tokens, to: gradient, scratch: scratch.pointer, backend)
            let seconds = Double(min(middle - start, DispatchTime.now().uptimeNanoseconds - middle)) * 1e-9
            best = max(best, 2 * Double(rows) * Double(dim) * Double(dim) / seconds)
        }
    }
    return best
}
