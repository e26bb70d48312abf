import Buffers
import Kernels

/// Layer normalisation with a learned scale and shift. (M, D) -> (M, D)
struct NormLayer: Sendable {
    let weight: Int
    let bias: Int
    let epsilon: Float

    /// What the backward pass needs: the row statistics, and the output for the layer that follows.
    struct Saved {
        let output: UnsafeMutablePointer<Float>  // (M, D)
        let mean: UnsafeMutablePointer<Float>  // (M)
        let inverseDeviation: UnsafeMutablePointer<Float>  // (M)

        init(rows: Int, dim: Int, in arena: inout Arena) throws {
            output = try arena.floats(rows * dim)
            mean = try arena.floats(rows)
            inverseDeviation = try arena.floats(rows)
        }
    }

    init(_ name: String, dim: Int, epsilon: Float, in layout: inout ParameterLayout) {
        weight = layout.append("\(name).weight", [dim], initial: .constant(1))
        bias = layout.append("\(name).bias", [dim], initial: .constant(0))
        self.epsilon = epsilon
    }

    func forward(_ x: UnsafePointer<Float>, _ pass: Pass, _ saved: Saved) {
        layerNorm(
            x, weight: pass.parameters + weight, bias: pass.parameters + bias, epsilon: epsilon, rows: pass.rows,
            dim: pass.dim, into: saved.output, mean: saved.mean, inverseDeviation: saved.inverseDeviation)
    }

    /// dx (+)= the gradient of the input x.
    func backward(
        _ dy: UnsafePointer<Float>, x: UnsafePointer<Float>, _ pass: Pass, _ saved: Saved,
        into dx: UnsafeMutablePointer<Float>, isAdding: Bool
    ) {
        layerNormBackward(
            dy, x: x, weight: pass.parameters + weight, mean: saved.mean, inverseDeviation: saved.inverseDeviation,
            rows: pass.rows, dim: pass.dim, into: dx, isAdding: isAdding, dweight: pass.gradients + weight,
            dbias: pass.gradients + bias)
    }
}
