import Buffers
import Foundation

/// The rate of single-threaded products, in operations a second: the best of `repetitions` runs of the best of the
/// shapes that a model of width `dim` spends its time on, over about `rows` rows.
///
/// It bounds what a step can reach. Throws `Failure` when there is no memory for the matrices.
public func productRate(dim: Int, rows: Int, repetitions: Int) throws -> Double {
    let a = try OwnedBuffer<Float>(count: rows * dim)
    let b = try OwnedBuffer<Float>(count: dim * dim)
    let c = try OwnedBuffer<Float>(count: rows * dim)
    for i in 0..<a.count { a.pointer[i] = Float(i % 7) * 0.1 }
    for i in 0..<b.count { b.pointer[i] = Float(i % 5) * 0.1 }
    let (tokens, weight, result) = (
        Matrix(a.pointer, rows, dim), Matrix(b.pointer, dim, dim), Matrix(c.pointer, rows, dim)
    )
    useSingleThreadedProducts()
    var best = 0.0
    for _ in 0..<repetitions {
        for shape in 0..<3 {
            let start = DispatchTime.now().uptimeNanoseconds
            switch shape {
            case 0: multiply(tokens, weight.transposed, into: result)
            case 1: multiply(tokens, weight, into: result)
            default: multiply(result.transposed, tokens, into: weight)
            }
            let seconds = Double(DispatchTime.now().uptimeNanoseconds - start) * 1e-9
            best = max(best, 2 * Double(rows) * Double(dim) * Double(dim) / seconds)
        }
    }
    return best
}
