import Base
import Kernels

/// Layer normalisation with a learned scale and shift. (M, D) -> (M, D)
struct NormLayer: Sendable {
    let weight: Int
    let bias: Int
    let dim: Int
    let epsilon: Float

    /// What the backward pass needs: the row statistics, and the output for the layer that follows. Threads other than
    /// the first sum the gradients of weight and bias in memory of their own.
    struct Saved {
        let output: Operand  // (M, D)
        let mean: UnsafeMutablePointer<Float>  // (M)
        let inverseDeviation: UnsafeMutablePointer<Float>  // (M)
        let partialGradients: UnsafeMutablePointer<Float>  // (threads - 1, 2, D)

        init(rows: Int, dim: Int, _ format: OperandFormat, threads: Int, in arena: inout Arena) throws {
            let output = try arena.operands(rows * dim, format)
            try self.init(rows: rows, dim: dim, threads: threads, output: output, in: &arena)
        }

        init(rows: Int, dim: Int, threads: Int, output: Operand, in arena: inout Arena) throws {
            self.output = output
            mean = try arena.floats(rows)
            inverseDeviation = try arena.floats(rows)
            partialGradients = try arena.floats((threads - 1) * 2 * dim)
        }
    }

    init(_ name: String, dim: Int, epsilon: Float, in layout: inout ParameterLayout) {
        weight = layout.append("\(name).weight", [dim], initial: .constant(1))
        bias = layout.append("\(name).bias", [dim], initial: .constant(0))
        self.dim = dim
        self.epsilon = epsilon
    }

    func forward(_ x: UnsafeMutablePointer<Float>, _ pass: Pass, _ saved: Saved) {
        layerNorm(rows(of: x, pass, saved), epsilon: epsilon, into: pass.own(saved.output, width: dim))
    }

    /// dx (+)= the gradient of the input x; dy, or dy + `skip`, is that of the output. `collectGradients` completes the
    /// gradients of weight and bias.
    func backward(
        _ dy: Operand, skip: UnsafeMutablePointer<Float>? = nil, x: UnsafeMutablePointer<Float>, _ pass: Pass,
        _ saved: Saved, into dx: UnsafeMutablePointer<Float>, isAdding: Bool
    ) {
        var (dweight, dbias) = (pass.gradients + weight, pass.gradients + bias)
        if pass.thread > 0 {
            dweight = saved.partialGradients + (pass.thread - 1) * 2 * dim
            dbias = dweight + dim
            dweight.update(repeating: 0, count: 2 * dim)
        }
        layerNormBackward(
            pass.own(dy, width: dim), skip: skip.map { pass.own($0, width: dim) }, rows(of: x, pass, saved),
            into: pass.own(dx, width: dim), isAdding: isAdding, dweight: dweight, dbias: dbias)
    }

    /// This thread's rows of the input x.
    func rows(of x: UnsafeMutablePointer<Float>, _ pass: Pass, _ saved: Saved) -> NormalisedRows {
        NormalisedRows(
            pass.own(x, width: dim), weight: pass.parameters + weight, bias: pass.parameters + bias,
            mean: pass.own(saved.mean, width: 1), inverseDeviation: pass.own(saved.inverseDeviation, width: 1),
            rows: pass.rows, dim: dim)
    }

    /// Adds what the other threads summed. For one thread, when all have done the backward pass.
    func collectGradients(_ pass: Pass, _ saved: Saved) {
        for part in 0..<pass.team.count - 1 {
            let sums = saved.partialGradients + part * 2 * dim
            let (dweight, dbias) = (pass.gradients + weight, pass.gradients + bias)
            add(dweight, Operand(sums), count: dim, into: dweight)
            add(dbias, Operand(sums + dim), count: dim, into: dbias)
        }
    }
}
