import Base
import Kernels

/// y = x + sign MSSA(LN x): multi-head subspace self-attention around a skip connection. (M, D) -> (M, D)
///
/// MSSA(x) = O W_o^T + b_o with U = x W_u^T and, per head, O = softmax(U U^T / sqrt(P)) U. With one head there is no
/// W_o and no b_o. The encoder compresses with sign +1, the decoder inverts with sign -1; the sign is taken into O.
/// Source: Pai et al., Masked Completion via Structured Diffusion with White-Box Transformers (arXiv 2404.02446).
struct AttentionLayer: Sendable {
    let norm: NormLayer
    let subspaces: Weight  // W_u (D, D)
    let output: (weight: Weight, bias: Int)?  // W_o (D, D), b_o (D)
    let sign: Float

    struct Saved {
        let norm: NormLayer.Saved
        let u: Operand  // (M, D)
        let probabilities: Operand  // (N, H, E, E), see AttentionShape
        let attended: Operand  // sign O, (M, D)
        let sum: UnsafeMutablePointer<Float>  // y, (M, D)

        init(_ shape: AttentionShape, _ format: OperandFormat, threads: Int, in arena: inout Arena) throws {
            let (rows, dim) = (shape.images * shape.tokens, shape.heads * shape.headDim)
            norm = try .init(rows: rows, dim: dim, format, threads: threads, in: &arena)
            u = try arena.operands(rows * dim, format)
            probabilities = try arena.operands(shape.scoreCountOfAll, format)
            attended = try arena.operands(rows * dim, format)
            sum = try arena.floats(rows * dim)
        }
    }

    init(
        _ name: String, dim: Int, heads: Int, sign: Float, initial: (weight: InitialValue, bias: InitialValue),
        in layout: inout ParameterLayout, prepared: inout PreparedLayout
    ) {
        norm = NormLayer("\(name).norm", dim: dim, epsilon: 1e-5, in: &layout)
        subspaces = prepared.append(
            layout.append("\(name).fn.qkv.weight", [dim, dim], initial: initial.weight), dim, dim)
        output =
            heads == 1
            ? nil
            : (
                prepared.append(
                    layout.append("\(name).fn.to_out.0.weight", [dim, dim], initial: initial.weight), dim, dim),
                layout.append("\(name).fn.to_out.0.bias", [dim], initial: initial.bias)
            )
        self.sign = sign
    }

    /// Leaves y in `saved.sum`.
    func forward(_ x: UnsafeMutablePointer<Float>, _ pass: Pass, _ saved: Saved) {
        norm.forward(x, pass, saved.norm)
        multiply(pass.tokens(saved.norm.output), pass.matrix(subspaces).transposed, into: pass.tokens(saved.u))
        subspaceAttention(
            pass.own(saved.u), probabilities: probabilities(pass, saved), output: pass.own(saved.attended), sign: sign,
            scratch: pass.head, shape: pass.shape)
        guard let output else {
            return add(
                pass.own(x), pass.own(saved.attended), count: pass.rows * pass.dim, into: pass.own(saved.sum))
        }
        addRow(
            pass.own(x), bias: pass.parameters + output.bias, sign: sign, rows: pass.rows, dim: pass.dim,
            into: pass.own(saved.sum))
        multiply(
            pass.tokens(saved.attended), pass.matrix(output.weight).transposed, into: pass.tokens(saved.sum),
            isAdding: true)
    }

    /// d, the gradient of y, becomes the gradient of x:
    ///
    ///     sign dO = d W_o;  dW_o += d^T (sign O);  db_o += sign sum d;  dU from dO;  dW_u += dU^T LN(x)
    ///     dx = d + LN backward (dU W_u)
    ///
    /// When it returns, other threads may still be at work.
    func backward(_ d: UnsafeMutablePointer<Float>, x: UnsafeMutablePointer<Float>, _ pass: Pass, _ saved: Saved) {
        let upstream = pass.factor(d, in: pass.scratch.upstream)
        var dAttended = upstream
        pass.sync()
        if let output {
            dAttended = pass.scratch.first(upstream.format)
            multiply(pass.tokens(upstream), pass.matrix(output.weight), into: pass.tokens(dAttended))
            pass.addGradient(of: output.weight, upstream, saved.attended)
            pass.addBiasGradient(output.bias, d, sign: sign)
        }
        let du = pass.scratch.second
        subspaceAttentionBackward(
            pass.own(dAttended), u: pass.own(saved.u), probabilities: probabilities(pass, saved), into: pass.own(du),
            sign: sign, scratch: pass.head, shape: pass.shape)
        pass.sync()
        pass.addGradient(of: subspaces, du, saved.norm.output)
        multiply(pass.tokens(du), pass.matrix(subspaces), into: pass.tokens(pass.scratch.product))
        norm.backward(pass.scratch.product, x: x, pass, saved.norm, into: d, isAdding: true)
    }

    /// This thread's images' part of A.
    private func probabilities(_ pass: Pass, _ saved: Saved) -> Operand {
        saved.probabilities + pass.firstImage * pass.shape.heads * pass.shape.scoreCount
    }
}
