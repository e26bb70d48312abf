import Kernels

/// y = x + sign TSSA(LN x): attention from statistics of the tokens, whose cost is linear in their number. (M, D) -> (M, D)
///
/// TSSA(x) = O W_o^T + b_o with U = x W_u^T + b_u and O from `tokenStatistics`, whose minus makes it a step towards lower
/// coding rate. Hidden patches of a masked autoencoder are tokens as all others: they take part in the softmax over the
/// heads and in the statistics, as they take part in the attention of CRATE-MAE, so that the operator is all that differs.
/// Source: Wu et al., Token Statistics Transformer (arXiv 2412.17810).
struct TokenStatisticsLayer: BlockLayer, SubspaceProjection {
    let norm: NormLayer
    let basis: (weight: Weight, bias: VectorGradient)  // W_u (D, D), b_u (D)
    let temperature: VectorGradient  // tau (H)
    let merge: (weight: Weight, bias: VectorGradient)  // W_o (D, D), b_o (D)
    let output: UnsafeMutablePointer<Float>  // y, (M, D)
    /// 2 T D^2 6; what is computed beside the products is linear in T.
    let operations: LayerOperations
    private let sign: Float
    private let u: UnsafeMutablePointer<Float>  // (M, D)
    private let pi: UnsafeMutablePointer<Float>  // (N, T, H)
    private let attended: Operand  // sign O, (M, D)
    private let branch: Int
    private let name: String

    init(_ name: String, sign: Float, _ initial: LinearInitial, in builder: inout LayerBuilder) throws {
        let (shape, count) = (builder.shape, builder.rows * builder.shape.dim)
        norm = try NormLayer("\(name).norm", epsilon: 1e-5, in: &builder)
        basis = try builder.linear("\(name).fn.qkv", shape.dim, shape.dim, initial)
        temperature = try VectorGradient(
            builder.parameter("\(name).fn.temp", [shape.heads, 1], initial: .constant(1), decays: false),
            count: shape.heads, in: &builder)
        merge = try builder.linear("\(name).fn.to_out.0", shape.dim, shape.dim, initial)
        u = try builder.floats(count)
        pi = try builder.floats(builder.rows * shape.heads)
        attended = try builder.operands(count)
        output = try builder.floats(count)
        operations = LayerOperations(weights: 6, shape)
        branch = builder.branch()
        builder.reserve(wide: tokenStatisticsScratchCount(shape))
        self.sign = sign
        self.name = name
    }

    func forward(_ x: UnsafeMutablePointer<Float>, _ image: Pass) {
        let normed = image.reused(image.scratch.attentionInput)
        let sign = sign * image.scale(ofBranch: branch)
        norm.forward(x, image, into: normed)
        multiply(
            image.matrix(normed), image.prepared.forward(basis.weight), into: image.tokens(u),
            bias: image.parameters + basis.bias.offset)
        tokenStatistics(
            image.own(u), temperature: image.parameters + temperature.offset,
            memberships: image.own(pi, width: image.shape.heads), output: image.own(attended), scale: sign,
            scratch: image.ownWide, shape: image.shape)
        multiply(
            image.tokens(attended), image.prepared.forward(merge.weight), into: image.tokens(output),
            adding: image.own(x), bias: image.parameters + merge.bias.offset, sign: sign)
    }

    /// Turns d from the gradient of y into the gradient of x, for an image, as `SubspaceAttentionLayer` does.
    func backward(_ d: UnsafeMutablePointer<Float>, x: UnsafeMutablePointer<Float>, _ image: Pass) {
        let (upstream, du) = (
            image.own(image.scratch.attentionUpstream), image.own(image.scratch.projectionUpstream)
        )
        let sign = sign * image.scale(ofBranch: branch)
        convert(image.own(d), count: image.rows * image.dim, into: upstream)
        let dAttended = image.first(.float32)
        multiply(
            image.matrix(upstream), image.prepared.backward(merge.weight), into: image.matrix(dAttended),
            next: image.memory(u))
        addColumnSums(
            image.own(d), sign: sign, rows: image.rows, columns: image.dim, stride: image.dim,
            to: merge.bias.cleared(image))
        tokenStatisticsBackward(
            dAttended, u: image.own(u), temperature: image.parameters + temperature.offset,
            memberships: image.own(pi, width: image.shape.heads), into: du,
            temperatureGradient: temperature.cleared(image), scale: sign, scratch: image.ownWide, shape: image.shape)
        addColumnSums(du, rows: image.rows, columns: image.dim, to: basis.bias.cleared(image))
        let product = image.first(image.prepared.format.result)
        multiply(
            image.matrix(du), image.prepared.backward(basis.weight), into: image.matrix(product), next: image.memory(x))
        norm.backward(
            product, x: x, image, into: d, isAdding: true, output: image.own(image.scratch.attentionInput))
    }

    /// dW_o += d^T (sign O);  dW_u += dU^T LN(x).
    func addGradients(_ pass: Pass) {
        pass.addGradient(of: merge.weight, pass.scratch.attentionUpstream, attended)
        pass.addGradient(of: basis.weight, pass.scratch.projectionUpstream, pass.scratch.attentionInput)
    }

    func collectGradients(_ pass: Pass) {
        norm.collectGradients(pass)
        basis.bias.collect(pass)
        temperature.collect(pass)
        merge.bias.collect(pass)
    }

    var memberships: UnsafeMutablePointer<Float>? { pi }
    var subspaces: (any SubspaceProjection)? { self }
    var projected: ProjectedTokens { ProjectedTokens(values: Operand(u), stride: basis.weight.outputs) }

    func project(_ normed: Operand, _ image: Pass) -> ProjectedTokens {
        let result = Operand(image.own(image.scratch.first))
        multiply(
            image.matrix(normed), image.prepared.forward(basis.weight), into: image.matrix(result),
            bias: image.parameters + basis.bias.offset)
        return ProjectedTokens(values: result, stride: basis.weight.outputs)
    }

    func measureWeights(
        _ parameters: UnsafePointer<Float>, scratch: UnsafeMutablePointer<Float>, into metrics: inout WeightMetrics
    ) {
        metrics.subspaceOverlap = basis.weight.overlap(subspaces: temperature.count, parameters, scratch: scratch)
    }

    func tensors(
        _ x: UnsafeMutablePointer<Float>, _ shape: AttentionShape, _ parameters: UnsafePointer<Float>
    ) -> [PassTensor] {
        let tokens = [shape.images, shape.tokens, shape.dim]
        return [
            norm.tensor("\(name).norm", x, shape, parameters),
            PassTensor(name: "\(name).fn.qkv", shape: tokens, values: Operand(u)),
            PassTensor(
                name: "\(name).fn.memberships", shape: [shape.images, shape.tokens, shape.heads],
                values: Operand(pi)),
            PassTensor(name: "\(name).fn.attended", shape: tokens, values: attended),
            PassTensor(name: name, shape: tokens, values: Operand(output)),
        ]
    }
}
