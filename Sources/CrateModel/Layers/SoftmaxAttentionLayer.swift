import Kernels

/// y = x + MHSA(LN x): multi-head self-attention with queries, keys and values of their own. (M, D) -> (M, D)
///
/// MHSA(x) = O W_o^T + b_o with (Q, K, V) = x W^T + b and, per head, O = softmax(Q K^T / sqrt(P)) V.
/// Source: Vaswani et al., Attention Is All You Need (arXiv 1706.03762), with the norm in front.
struct SoftmaxAttentionLayer: BlockLayer, SubspaceProjection {
    let norm: NormLayer
    let input: (weight: Weight, bias: VectorGradient)  // W (3 D, D), b (3 D)
    let merge: (weight: Weight, bias: VectorGradient)  // W_o (D, D), b_o (D)
    let output: UnsafeMutablePointer<Float>  // y, (M, D)
    /// 2 T D^2 12 + 2 T^2 D 6.
    let operations: LayerOperations
    private let qkv: Operand  // (M, 3 D)
    private let probabilities: Operand  // (N, H, E, E), see AttentionShape
    private let attended: Operand  // O, (M, D)
    private let branch: Int
    private let names: (norm: String, layer: String)

    init(_ names: (norm: String, layer: String), _ initial: LinearInitial, in builder: inout LayerBuilder) throws {
        let (shape, dim) = (builder.shape, builder.shape.dim)
        norm = try NormLayer(names.norm, epsilon: 1e-6, in: &builder)
        input = try builder.linear("\(names.layer).qkv", 3 * dim, dim, initial)
        merge = try builder.linear("\(names.layer).proj", dim, dim, initial)
        qkv = try builder.operands(builder.rows * 3 * dim)
        probabilities = try builder.operands(shape.scoreCountOfAll)
        attended = try builder.operands(builder.rows * dim)
        output = try builder.floats(builder.rows * dim)
        operations = LayerOperations(weights: 12, scores: (2, 4), shape)
        branch = builder.branch()
        builder.reserve(projection: builder.rows * 3 * dim, wide: shape.tokens * 3 * dim)
        self.names = names
    }

    private var width: Int { input.weight.outputs }

    func forward(_ x: UnsafeMutablePointer<Float>, _ image: Pass) {
        let normed = image.reused(image.scratch.attentionInput)
        let scale = image.scale(ofBranch: branch)
        norm.forward(x, image, into: normed)
        image.project(normed, by: input.weight, bias: input.bias.offset, into: image.own(qkv, width: width))
        softmaxAttention(
            image.own(qkv, width: width), probabilities: image.ownScores(probabilities), output: image.own(attended),
            scale: scale, scratch: image.head, shape: image.shape)
        multiply(
            image.tokens(attended), image.prepared.forward(merge.weight), into: image.tokens(output),
            adding: image.own(x), bias: image.parameters + merge.bias.offset, sign: scale)
    }

    /// Turns d from the gradient of y into the gradient of x, for an image:
    ///
    ///     dO = d W_o;  db_o += sum d;  dQ, dK, dV from dO;  db += their sums;  dx = d + LN backward ((dQ, dK, dV) W)
    ///
    /// The sum of dK is zero, since a softmax ignores what is the same for all keys. It is left out: AdamW would scale its rounding
    /// errors up to whole steps.
    func backward(_ d: UnsafeMutablePointer<Float>, x: UnsafeMutablePointer<Float>, _ image: Pass) {
        let (upstream, scale) = (image.own(image.scratch.attentionUpstream), image.scale(ofBranch: branch))
        let dqkv = image.own(image.scratch.projectionUpstream, width: width)
        convert(image.own(d), count: image.rows * image.dim, into: upstream)
        let dAttended = image.first(upstream.format)
        multiply(
            image.matrix(upstream), image.prepared.backward(merge.weight), into: image.matrix(dAttended),
            next: image.memory(qkv, width: width))
        addColumnSums(
            image.own(d), sign: scale, rows: image.rows, columns: image.dim, stride: image.dim,
            to: merge.bias.cleared(image))
        softmaxAttentionBackward(
            dAttended, qkv: image.own(qkv, width: width), probabilities: image.ownScores(probabilities), into: dqkv,
            scale: scale, scratch: image.head, shape: image.shape)
        let (dbias, ofValues) = (input.bias.cleared(image), 2 * image.dim)
        addColumnSums(dqkv, rows: image.rows, columns: image.dim, stride: width, to: dbias)
        addColumnSums(dqkv + ofValues, rows: image.rows, columns: image.dim, stride: width, to: dbias + ofValues)
        let product = image.first(image.prepared.format.result)
        multiply(
            Matrix(dqkv, image.rows, width), image.prepared.backward(input.weight), into: image.matrix(product),
            next: image.memory(x))
        norm.backward(
            product, x: x, image, into: d, isAdding: true, output: image.own(image.scratch.attentionInput))
    }

    /// dW_o += d^T O;  dW += (dQ, dK, dV)^T LN(x).
    func addGradients(_ pass: Pass) {
        pass.addGradient(of: merge.weight, pass.scratch.attentionUpstream, attended)
        pass.addGradient(of: input.weight, pass.scratch.projectionUpstream, pass.scratch.attentionInput)
    }

    func collectGradients(_ pass: Pass) {
        norm.collectGradients(pass)
        input.bias.collect(pass)
        merge.bias.collect(pass)
    }

    var attention: Operand? { probabilities }
    var subspaces: (any SubspaceProjection)? { self }

    /// The keys: what a token is compared by, as in CRATE its projection on a subspace.
    var projected: ProjectedTokens { ProjectedTokens(values: qkv + merge.weight.outputs, stride: width) }

    func project(_ normed: Operand, _ image: Pass) -> ProjectedTokens {
        let result = image.own(image.scratch.projectionUpstream, width: width)
        image.project(normed, by: input.weight, bias: input.bias.offset, into: result)
        return ProjectedTokens(values: result + merge.weight.outputs, stride: width)
    }

    func tensors(
        _ x: UnsafeMutablePointer<Float>, _ shape: AttentionShape, _ parameters: UnsafePointer<Float>
    ) -> [PassTensor] {
        let tokens = [shape.images, shape.tokens]
        return [
            norm.tensor(names.norm, x, shape, parameters),
            PassTensor(name: "\(names.layer).qkv", shape: tokens + [width], values: qkv),
            PassTensor(
                name: "\(names.layer).attention", shape: [shape.images, shape.heads, shape.extent, shape.extent],
                values: probabilities),
            PassTensor(name: "\(names.layer).attended", shape: tokens + [shape.dim], values: attended),
            PassTensor(name: names.layer, shape: tokens + [shape.dim], values: Operand(output)),
        ]
    }
}
