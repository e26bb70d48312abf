import Buffers
import Kernels

/// y = x + sign MSSA(LN x): multi-head subspace self-attention around a skip connection. (M, D) -> (M, D)
///
/// MSSA(x) = O W_o^T + b_o with U = x W_u^T and, per head, O = softmax(U U^T / sqrt(P)) U. With one head there is no
/// W_o and no b_o. The encoder compresses with sign +1, the decoder inverts with sign -1.
/// Source: Pai et al., Masked Completion via Structured Diffusion with White-Box Transformers (arXiv 2404.02446).
struct AttentionLayer: Sendable {
    let norm: NormLayer
    let subspaces: Int  // W_u (D, D)
    let output: (weight: Int, bias: Int)?  // W_o (D, D), b_o (D)
    let sign: Float

    struct Saved {
        let norm: NormLayer.Saved
        let u: UnsafeMutablePointer<Float>  // (M, D)
        let probabilities: UnsafeMutablePointer<Float>  // (N, H, T, stride)
        let attended: UnsafeMutablePointer<Float>  // O, (M, D)
        let sum: UnsafeMutablePointer<Float>  // y, (M, D)

        init(_ shape: AttentionShape, in arena: inout Arena) throws {
            let (rows, dim) = (shape.images * shape.tokens, shape.heads * shape.headDim)
            norm = try .init(rows: rows, dim: dim, in: &arena)
            u = try arena.floats(rows * dim)
            probabilities = try arena.floats(shape.scoreCountOfAll)
            attended = try arena.floats(rows * dim)
            sum = try arena.floats(rows * dim)
        }
    }

    init(_ name: String, dim: Int, heads: Int, sign: Float, in layout: inout ParameterLayout) {
        let xavier = InitialValue.uniform(bound: (6 / Double(2 * dim)).squareRoot())
        norm = NormLayer("\(name).norm", dim: dim, epsilon: 1e-5, in: &layout)
        subspaces = layout.append("\(name).fn.qkv.weight", [dim, dim], initial: xavier)
        output =
            heads == 1
            ? nil
            : (
                layout.append("\(name).fn.to_out.0.weight", [dim, dim], initial: xavier),
                layout.append("\(name).fn.to_out.0.bias", [dim], initial: .constant(0))
            )
        self.sign = sign
    }

    /// Leaves y in `saved.sum`.
    func forward(_ x: UnsafePointer<Float>, _ pass: Pass, _ saved: Saved) {
        norm.forward(x, pass, saved.norm)
        multiply(pass.tokens(saved.norm.output), pass.weight(subspaces).transposed, into: pass.tokens(saved.u))
        subspaceAttention(
            saved.u, probabilities: saved.probabilities, output: saved.attended, shape: pass.shape)
        guard let output else {
            return add(x, saved.attended, sign: sign, count: pass.count, into: saved.sum)
        }
        addRow(
            x, bias: pass.parameters + output.bias, sign: sign, rows: pass.rows, dim: pass.dim, into: saved.sum)
        multiply(
            pass.tokens(saved.attended), pass.weight(output.weight).transposed, into: pass.tokens(saved.sum),
            scale: sign, isAdding: true)
    }

    /// d, the gradient of y, becomes the gradient of x:
    ///
    ///     dO = sign d W_o;  dW_o += sign d^T O;  db_o += sign sum d;  dU from dO;  dW_u += dU^T LN(x)
    ///     dx = d + LN backward (dU W_u)
    func backward(
        _ d: UnsafeMutablePointer<Float>, x: UnsafePointer<Float>, _ pass: Pass, _ saved: Saved, _ scratch: Scratch
    ) {
        let (dAttended, du) = (scratch.first, scratch.second)
        if let output {
            multiply(pass.tokens(d), pass.weight(output.weight), into: pass.tokens(dAttended), scale: sign)
            multiply(
                pass.tokens(d).transposed, pass.tokens(saved.attended), into: pass.weightGradient(output.weight),
                scale: sign, isAdding: true)
            addColumnSums(d, sign: sign, rows: pass.rows, dim: pass.dim, to: pass.gradients + output.bias)
        } else {
            scale(d, by: sign, count: pass.count, into: dAttended)
        }
        subspaceAttentionBackward(
            dAttended, u: saved.u, probabilities: saved.probabilities, into: du, scratch: scratch.scores,
            shape: pass.shape)
        multiply(
            pass.tokens(du).transposed, pass.tokens(saved.norm.output), into: pass.weightGradient(subspaces),
            isAdding: true)
        let dNormed = scratch.first
        multiply(pass.tokens(du), pass.weight(subspaces), into: pass.tokens(dNormed))
        norm.backward(dNormed, x: x, pass, saved.norm, into: d, isAdding: true)
    }
}
