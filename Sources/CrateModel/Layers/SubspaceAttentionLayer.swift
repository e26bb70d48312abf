import Kernels

/// y = x + sign MSSA(LN x): multi-head subspace self-attention with a skip connection. (M, D) -> (M, D)
///
/// MSSA(x) = O W_o^T + b_o with U = x W_u^T and, per head, O = softmax(U U^T / sqrt(P)) U. With one head there is no
/// W_o and no b_o; CRATE-alpha has no b_o. The encoder compresses with sign +1, the decoder inverts with sign -1; the sign
/// is applied to O.
/// Source: Pai et al., Masked Completion via Structured Diffusion with White-Box Transformers (arXiv 2404.02446).
struct SubspaceAttentionLayer: BlockLayer, SubspaceProjection {
    let norm: NormLayer
    let basis: Weight  // W_u (D, D)
    let merge: (weight: Weight, bias: VectorGradient?)?  // W_o (D, D), b_o (D)
    let sign: Float
    let u: Operand  // (M, D)
    let probabilities: Operand  // (N, H, E, E), see AttentionShape
    let attended: Operand  // sign O, (M, D)
    let output: UnsafeMutablePointer<Float>  // y, (M, D)
    /// 2 T D^2 6 + 2 T^2 D 5.
    let operations: LayerOperations
    private let heads, branch: Int
    private let name: String

    /// `epsilon` is the norm's.
    init(
        _ name: String, sign: Float, epsilon: Float = 1e-5, hasBias: Bool = true, _ initial: LinearInitial,
        in builder: inout LayerBuilder
    ) throws {
        let (shape, count) = (builder.shape, builder.rows * builder.shape.dim)
        let dim = shape.dim
        norm = try NormLayer("\(name).norm", epsilon: epsilon, in: &builder)
        basis = builder.weight("\(name).fn.qkv.weight", dim, dim, initial: initial.weight(dim, dim))
        if shape.heads == 1 {
            merge = nil
        } else if hasBias {
            merge = try builder.linear("\(name).fn.to_out.0", dim, dim, initial)
        } else {
            merge = (builder.weight("\(name).fn.to_out.0.weight", dim, dim, initial: initial.weight(dim, dim)), nil)
        }
        self.sign = sign
        u = try builder.operands(count)
        probabilities = try builder.operands(shape.scoreCountOfAll)
        attended = try builder.operands(count)
        output = try builder.floats(count)
        operations = LayerOperations(weights: 6, scores: (2, 3), shape)
        heads = shape.heads
        branch = builder.branch()
        self.name = name
    }

    var attention: Operand? { probabilities }
    var subspaces: (any SubspaceProjection)? { self }

    func forward(_ x: UnsafeMutablePointer<Float>, _ image: Pass) {
        let normed = image.reused(image.scratch.attentionInput)
        let sign = sign * image.scale(ofBranch: branch)
        norm.forward(x, image, into: normed)
        multiply(image.matrix(normed), image.prepared.forward(basis), into: image.tokens(u))
        subspaceAttention(
            image.own(u), probabilities: image.ownScores(probabilities), output: image.own(attended), sign: sign,
            scratch: image.head, shape: image.shape)
        guard let merge else {
            return add(image.own(x), image.own(attended), count: image.rows * image.dim, into: image.own(output))
        }
        multiply(
            image.tokens(attended), image.prepared.forward(merge.weight), into: image.tokens(output),
            adding: image.own(x), bias: merge.bias.map { image.parameters + $0.offset }, sign: sign)
    }

    /// Turns d from the gradient of y into the gradient of x, for an image:
    ///
    ///     sign dO = d W_o;  db_o += sign sum d;  dU from dO;  dx = d + LN backward (dU W_u)
    func backward(_ d: UnsafeMutablePointer<Float>, x: UnsafeMutablePointer<Float>, _ image: Pass) {
        let (upstream, du) = (
            image.own(image.scratch.attentionUpstream), image.own(image.scratch.projectionUpstream)
        )
        let sign = sign * image.scale(ofBranch: branch)
        convert(image.own(d), count: image.rows * image.dim, into: upstream)
        var dAttended = upstream
        if let merge {
            dAttended = image.first(upstream.format)
            multiply(
                image.matrix(upstream), image.prepared.backward(merge.weight), into: image.matrix(dAttended),
                next: image.memory(u))
            if let bias = merge.bias {
                addColumnSums(
                    image.own(d), sign: sign, rows: image.rows, columns: image.dim, stride: image.dim,
                    to: bias.cleared(image))
            }
        }
        subspaceAttentionBackward(
            dAttended, u: image.own(u), probabilities: image.ownScores(probabilities), into: du, sign: sign,
            scratch: image.head, shape: image.shape)
        let product = image.first(image.prepared.format.result)
        multiply(
            image.matrix(du), image.prepared.backward(basis), into: image.matrix(product), next: image.memory(x))
        norm.backward(
            product, x: x, image, into: d, isAdding: true, output: image.own(image.scratch.attentionInput))
    }

    /// dW_o += d^T (sign O);  dW_u += dU^T LN(x), over all images after `backward`.
    func addGradients(_ pass: Pass) {
        if let merge { pass.addGradient(of: merge.weight, pass.scratch.attentionUpstream, attended) }
        pass.addGradient(of: basis, pass.scratch.projectionUpstream, pass.scratch.attentionInput)
    }

    func collectGradients(_ pass: Pass) {
        norm.collectGradients(pass)
        merge?.bias?.collect(pass)
    }

    var projected: ProjectedTokens { ProjectedTokens(values: u, stride: basis.outputs) }

    func project(_ normed: Operand, _ image: Pass) -> ProjectedTokens {
        let result = Operand(image.own(image.scratch.first))
        multiply(image.matrix(normed), image.prepared.forward(basis), into: image.matrix(result))
        return ProjectedTokens(values: result, stride: basis.outputs)
    }

    func measureWeights(
        _ parameters: UnsafePointer<Float>, scratch: UnsafeMutablePointer<Float>, into metrics: inout WeightMetrics
    ) {
        metrics.subspaceOverlap = basis.overlap(subspaces: heads, parameters, scratch: scratch)
    }

    func tensors(
        _ x: UnsafeMutablePointer<Float>, _ shape: AttentionShape, _ parameters: UnsafePointer<Float>
    ) -> [PassTensor] {
        let tokens = [shape.images, shape.tokens, shape.dim]
        return [
            norm.tensor("\(name).norm", x, shape, parameters),
            PassTensor(name: "\(name).fn.qkv", shape: tokens, values: u),
            PassTensor(
                name: "\(name).fn.attention", shape: [shape.images, shape.heads, shape.extent, shape.extent],
                values: probabilities),
            PassTensor(name: "\(name).fn.attended", shape: tokens, values: attended),
            PassTensor(name: name, shape: tokens, values: Operand(output)),
        ]
    }
}
