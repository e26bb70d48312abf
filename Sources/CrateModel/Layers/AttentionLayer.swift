import Kernels

/// y = x + sign MSSA(LN x): multi-head subspace self-attention with a skip connection. (M, D) -> (M, D)
///
/// MSSA(x) = O W_o^T + b_o with U = x W_u^T and, per head, O = softmax(U U^T / sqrt(P)) U. With one head there is no
/// W_o and no b_o. The encoder compresses with sign +1, the decoder inverts with sign -1; the sign is applied to O.
/// Source: Pai et al., Masked Completion via Structured Diffusion with White-Box Transformers (arXiv 2404.02446).
struct AttentionLayer {
    let norm: NormLayer
    let subspaces: Weight  // W_u (D, D)
    let output: (weight: Weight, bias: VectorGradient)?  // W_o (D, D), b_o (D)
    let sign: Float
    let u: Operand  // (M, D)
    let probabilities: Operand  // (N, H, E, E), see AttentionShape
    let attended: Operand  // sign O, (M, D)
    let sum: UnsafeMutablePointer<Float>  // y, (M, D)

    init(
        _ name: String, sign: Float, initial: (weight: InitialValue, bias: InitialValue),
        in builder: inout LayerBuilder
    ) throws {
        let (shape, count) = (builder.shape, builder.rows * builder.shape.dim)
        let dim = shape.dim
        norm = try NormLayer("\(name).norm", epsilon: 1e-5, in: &builder)
        subspaces = builder.weight("\(name).fn.qkv.weight", dim, dim, initial: initial.weight)
        output =
            shape.heads == 1
            ? nil
            : (
                builder.weight("\(name).fn.to_out.0.weight", dim, dim, initial: initial.weight),
                try VectorGradient(
                    builder.parameter("\(name).fn.to_out.0.bias", [dim], initial: initial.bias), count: dim,
                    in: &builder)
            )
        self.sign = sign
        u = try builder.operands(count)
        probabilities = try builder.operands(shape.scoreCountOfAll)
        attended = try builder.operands(count)
        sum = try builder.floats(count)
    }

    /// Computes y into `sum`.
    func forward(_ x: UnsafeMutablePointer<Float>, _ pass: Pass) {
        let normed = pass.reused(pass.scratch.attentionInput)
        norm.forward(x, pass, into: normed)
        multiply(pass.matrix(normed), pass.prepared.forward(subspaces), into: pass.tokens(u))
        subspaceAttention(
            pass.own(u), probabilities: ownProbabilities(pass), output: pass.own(attended), sign: sign,
            scratch: pass.head, shape: pass.shape)
        guard let output else {
            return add(pass.own(x), pass.own(attended), count: pass.rows * pass.dim, into: pass.own(sum))
        }
        multiply(
            pass.tokens(attended), pass.prepared.forward(output.weight), into: pass.tokens(sum), adding: pass.own(x),
            bias: pass.parameters + output.bias.offset, sign: sign)
    }

    /// Turns d from the gradient of y into the gradient of x, for an image:
    ///
    ///     sign dO = d W_o;  db_o += sign sum d;  dU from dO;  dx = d + LN backward (dU W_u)
    func backward(_ d: UnsafeMutablePointer<Float>, x: UnsafeMutablePointer<Float>, _ image: Pass) {
        let (upstream, du) = (image.own(image.scratch.upstream), image.own(image.scratch.subspaces))
        convert(image.own(d), count: image.rows * image.dim, into: upstream)
        var dAttended = upstream
        if let output {
            dAttended = image.reused(image.scratch.first(upstream.format))
            multiply(
                image.matrix(upstream), image.prepared.backward(output.weight), into: image.matrix(dAttended),
                next: image.memory(u))
            addColumnSums(
                image.own(d), sign: sign, rows: image.rows, columns: image.dim, stride: image.dim,
                to: output.bias.cleared(image))
        }
        subspaceAttentionBackward(
            dAttended, u: image.own(u), probabilities: ownProbabilities(image), into: du, sign: sign,
            scratch: image.head, shape: image.shape)
        let product = image.reused(image.scratch.product)
        multiply(
            image.matrix(du), image.prepared.backward(subspaces), into: image.matrix(product), next: image.memory(x))
        norm.backward(
            product, x: x, image, into: d, isAdding: true, output: image.own(image.scratch.attentionInput))
    }

    /// dW_o += d^T (sign O);  dW_u += dU^T LN(x), over all images after `backward`.
    func addGradients(_ pass: Pass) {
        if let output { pass.addGradient(of: output.weight, pass.scratch.upstream, attended) }
        pass.addGradient(of: subspaces, pass.scratch.subspaces, pass.scratch.attentionInput)
    }

    func collectGradients(_ pass: Pass) {
        norm.collectGradients(pass)
        output?.bias.collect(pass)
    }

    /// A for this thread's images.
    private func ownProbabilities(_ pass: Pass) -> Operand {
        probabilities + pass.firstImage * pass.shape.heads * pass.shape.scoreCount
    }

    func tensors(
        _ name: String, _ x: UnsafeMutablePointer<Float>, _ shape: AttentionShape, _ parameters: UnsafePointer<Float>
    ) -> [PassTensor] {
        let tokens = [shape.images, shape.tokens, shape.dim]
        return [
            norm.tensor("\(name).norm", x, shape, parameters),
            PassTensor(name: "\(name).fn.qkv", shape: tokens, values: u),
            PassTensor(
                name: "\(name).fn.attention", shape: [shape.images, shape.heads, shape.extent, shape.extent],
                values: probabilities),
            PassTensor(name: "\(name).fn.attended", shape: tokens, values: attended),
            PassTensor(name: name, shape: tokens, values: Operand(sum)),
        ]
    }
}
