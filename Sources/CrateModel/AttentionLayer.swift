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

        init(_ shape: AttentionShape, threads: Int, in arena: inout Arena) throws {
            let (rows, dim) = (shape.images * shape.tokens, shape.heads * shape.headDim)
            norm = try .init(rows: rows, dim: dim, threads: threads, in: &arena)
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
    func forward(_ x: UnsafeMutablePointer<Float>, _ pass: Pass, _ saved: Saved, _ scratch: Scratch) {
        norm.forward(x, pass, saved.norm)
        multiply(pass.tokens(saved.norm.output), pass.weight(subspaces).transposed, into: pass.tokens(saved.u))
        subspaceAttention(
            pass.own(saved.u), probabilities: probabilities(pass, saved), output: pass.own(saved.attended),
            scratch: scratch.head(pass), shape: pass.shape)
        guard let output else {
            return add(
                pass.own(x), pass.own(saved.attended), sign: sign, count: pass.rows * pass.dim,
                into: pass.own(saved.sum))
        }
        addRow(
            pass.own(x), bias: pass.parameters + output.bias, sign: sign, rows: pass.rows, dim: pass.dim,
            into: pass.own(saved.sum))
        multiply(
            pass.tokens(saved.attended), pass.weight(output.weight).transposed, into: pass.tokens(saved.sum),
            scale: sign, isAdding: true)
    }

    /// d, the gradient of y, becomes the gradient of x:
    ///
    ///     dO = sign d W_o;  dW_o += sign d^T O;  db_o += sign sum d;  dU from dO;  dW_u += dU^T LN(x)
    ///     dx = d + LN backward (dU W_u)
    func backward(
        _ d: UnsafeMutablePointer<Float>, x: UnsafeMutablePointer<Float>, _ pass: Pass, _ saved: Saved,
        _ scratch: Scratch
    ) {
        let (dAttended, du) = (scratch.first, scratch.second)
        pass.sync()
        if let output {
            multiply(pass.tokens(d), pass.weight(output.weight), into: pass.tokens(dAttended), scale: sign)
            pass.addWeightGradient(output.weight, d, saved.attended, scale: sign)
            pass.addBiasGradient(output.bias, d, sign: sign)
        } else {
            scale(pass.own(d), by: sign, count: pass.rows * pass.dim, into: pass.own(dAttended))
        }
        subspaceAttentionBackward(
            pass.own(dAttended), u: pass.own(saved.u), probabilities: probabilities(pass, saved),
            into: pass.own(du), scratch: scratch.head(pass), shape: pass.shape)
        pass.sync()
        pass.addWeightGradient(subspaces, du, saved.norm.output)
        let dNormed = scratch.first
        multiply(pass.tokens(du), pass.weight(subspaces), into: pass.tokens(dNormed))
        norm.backward(dNormed, x: x, pass, saved.norm, into: d, isAdding: true)
        pass.sync()
    }

    /// This thread's images' part of A.
    private func probabilities(_ pass: Pass, _ saved: Saved) -> UnsafeMutablePointer<Float> {
        saved.probabilities + pass.firstImage * pass.shape.heads * pass.shape.scoreCount
    }
}
