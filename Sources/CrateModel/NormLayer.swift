import Buffers
import Kernels

/// Layer normalisation with a learned scale and shift. (M, D) -> (M, D)
struct NormLayer: Sendable {
    let weight: Int
    let bias: Int
    let epsilon: Float

    /// What the backward pass needs: the row statistics, and the output for the layer that follows. Threads other than
    /// the first sum the gradients of weight and bias in memory of their own.
    struct Saved {
        let output: UnsafeMutablePointer<Float>  // (M, D)
        let mean: UnsafeMutablePointer<Float>  // (M)
        let inverseDeviation: UnsafeMutablePointer<Float>  // (M)
        let partialGradients: UnsafeMutablePointer<Float>  // (threads - 1, 2, D)

        init(rows: Int, dim: Int, threads: Int, in arena: inout Arena) throws {
            output = try arena.floats(rows * dim)
            mean = try arena.floats(rows)
            inverseDeviation = try arena.floats(rows)
            partialGradients = try arena.floats((threads - 1) * 2 * dim)
        }
    }

    init(_ name: String, dim: Int, epsilon: Float, in layout: inout ParameterLayout) {
        weight = layout.append("\(name).weight", [dim], initial: .constant(1))
        bias = layout.append("\(name).bias", [dim], initial: .constant(0))
        self.epsilon = epsilon
    }

    func forward(_ x: UnsafeMutablePointer<Float>, _ pass: Pass, _ saved: Saved) {
        layerNorm(
            pass.own(x), weight: pass.parameters + weight, bias: pass.parameters + bias, epsilon: epsilon,
            rows: pass.rows, dim: pass.dim, into: pass.own(saved.output), mean: pass.own(saved.mean, width: 1),
            inverseDeviation: pass.own(saved.inverseDeviation, width: 1))
    }

    /// dx (+)= the gradient of the input x. `collectGradients` completes the gradients of weight and bias.
    func backward(
        _ dy: UnsafeMutablePointer<Float>, x: UnsafeMutablePointer<Float>, _ pass: Pass, _ saved: Saved,
        into dx: UnsafeMutablePointer<Float>, isAdding: Bool
    ) {
        var (dweight, dbias) = (pass.gradients + weight, pass.gradients + bias)
        if pass.thread > 0 {
            dweight = saved.partialGradients + (pass.thread - 1) * 2 * pass.dim
            dbias = dweight + pass.dim
            dweight.update(repeating: 0, count: 2 * pass.dim)
        }
        layerNormBackward(
            pass.own(dy), x: pass.own(x), weight: pass.parameters + weight, mean: pass.own(saved.mean, width: 1),
            inverseDeviation: pass.own(saved.inverseDeviation, width: 1), rows: pass.rows, dim: pass.dim,
            into: pass.own(dx), isAdding: isAdding, dweight: dweight, dbias: dbias)
    }

    /// Adds what the other threads summed. For one thread, when all have done the backward pass.
    func collectGradients(_ pass: Pass, _ saved: Saved) {
        for part in 0..<pass.team.count - 1 {
            let sums = saved.partialGradients + part * 2 * pass.dim
            for (offset, sum) in [(weight, sums), (bias, sums + pass.dim)] {
                let gradient = pass.gradients + offset
                add(gradient, sum, sign: 1, count: pass.dim, into: gradient)
            }
        }
    }
}
