import Base
import Foundation

/// The rate of single-threaded products of `format`, in operations a second: the best of `repetitions` runs of the best of the
/// shapes that a model of width `dim` spends its time on, over about `rows` rows.
///
/// It bounds what a step can reach. Throws `Failure` when there is no memory for the matrices.
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
