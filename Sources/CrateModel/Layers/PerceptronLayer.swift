import Kernels

/// y = x + W_2 gelu(W_1 LN(x) + b_1) + b_2, with K = 4 D hidden channels and the exact gelu. (M, D) -> (M, D)
///
/// Source: Dosovitskiy et al., An Image is Worth 16x16 Words (arXiv 2010.11929).
struct PerceptronLayer: BlockLayer {
    let norm: NormLayer
    let first: (weight: Weight, bias: VectorGradient)  // W_1 (K, D), b_1 (K)
    let second: (weight: Weight, bias: VectorGradient)  // W_2 (D, K), b_2 (D)
    let output: UnsafeMutablePointer<Float>
    /// 2 T D^2 24.
    let operations: LayerOperations
    private let hidden: Operand  // W_1 LN(x) + b_1, (M, K)
    private let width: Int  // K
    private let branch: Int
    private let names: (norm: String, layer: String)

    /// How many times wider the hidden channels are.
    static let expansion = 4

    init(_ names: (norm: String, layer: String), _ initial: LinearInitial, in builder: inout LayerBuilder) throws {
        let dim = builder.shape.dim
        width = Self.expansion * dim
        norm = try NormLayer(names.norm, epsilon: 1e-6, in: &builder)
        first = try builder.linear("\(names.layer).fc1", width, dim, initial)
        second = try builder.linear("\(names.layer).fc2", dim, width, initial)
        hidden = try builder.operands(builder.rows * width)
        output = try builder.floats(builder.rows * dim)
        operations = LayerOperations(weights: 6 * Self.expansion, builder.shape)
        branch = builder.branch()
        builder.reserve(hidden: builder.rows * width, wide: builder.shape.tokens * width)
        self.names = names
    }

    func forward(_ x: UnsafeMutablePointer<Float>, _ image: Pass) {
        let normed = image.reused(image.scratch.tokenInput)
        norm.forward(x, image, into: normed)
        image.project(normed, by: first.weight, bias: first.bias.offset, into: image.own(hidden, width: width))
        let active = image.reusedHidden(image.scratch.hiddenFirst)
        let scale = image.scale(ofBranch: branch)
        gelu(image.own(hidden, width: width), scale: scale, count: image.rows * width, into: active)
        multiply(
            Matrix(active, image.rows, width), image.prepared.forward(second.weight), into: image.tokens(output),
            adding: image.own(x), bias: image.parameters + second.bias.offset, sign: scale)
    }

    /// With a = gelu(u): da = d W_2, du = da gelu'(u), dx = d + LN backward (du W_1); db_2 += sum d, db_1 += sum du.
    func backward(_ d: UnsafeMutablePointer<Float>, x: UnsafeMutablePointer<Float>, _ image: Pass) {
        let (upstream, du) = (
            image.own(image.scratch.tokenUpstream), image.own(image.scratch.hiddenSecond, width: width)
        )
        let (scale, u) = (image.scale(ofBranch: branch), image.own(hidden, width: width))
        convert(image.own(d), count: image.rows * image.dim, into: upstream)
        addColumnSums(
            image.own(d), sign: scale, rows: image.rows, columns: image.dim, stride: image.dim,
            to: second.bias.cleared(image))
        let wide = Operand(image.ownWide)
        multiply(
            image.matrix(upstream), image.prepared.backward(second.weight), into: Matrix(wide, image.rows, width))
        geluBackward(
            wide, x: u, scale: scale, count: image.rows * width, into: du,
            output: image.own(image.scratch.hiddenFirst, width: width))
        addColumnSums(du, rows: image.rows, columns: width, to: first.bias.cleared(image))
        let product = image.first(image.prepared.format.result)
        multiply(
            Matrix(du, image.rows, width), image.prepared.backward(first.weight), into: image.matrix(product),
            next: image.memory(x))
        norm.backward(product, x: x, image, into: d, isAdding: true, output: image.own(image.scratch.tokenInput))
    }

    /// dW_2 += d^T a, dW_1 += du^T LN(x).
    func addGradients(_ pass: Pass) {
        pass.addGradient(of: second.weight, pass.scratch.tokenUpstream, pass.scratch.hiddenFirst)
        pass.addGradient(of: first.weight, pass.scratch.hiddenSecond, pass.scratch.tokenInput)
    }

    func collectGradients(_ pass: Pass) {
        norm.collectGradients(pass)
        first.bias.collect(pass)
        second.bias.collect(pass)
    }

    /// A gelu has no exact zeros: sparsity counts what it leaves under `smallActivation`.
    func measure(_ x: UnsafeMutablePointer<Float>, _ pass: Pass, record: (BlockMetric, _ image: Int, Double) -> Void) {
        pass.forEachImage { image in
            let count = image.rows * width
            let active = image.reusedHidden(image.scratch.hiddenFirst)
            gelu(image.own(hidden, width: width), scale: 1, count: count, into: active)
            let small = countOfSmall(active, bound: Self.smallActivation, count: count)
            record(.sparsity, image.firstImage - pass.firstImage, Double(small) / Double(count))
        }
    }

    /// What counts as zero behind a gelu.
    static let smallActivation: Float = 1e-3

    func tensors(
        _ x: UnsafeMutablePointer<Float>, _ shape: AttentionShape, _ parameters: UnsafePointer<Float>
    ) -> [PassTensor] {
        [
            norm.tensor(names.norm, x, shape, parameters),
            PassTensor(name: "\(names.layer).fc1", shape: [shape.images, shape.tokens, width], values: hidden),
            PassTensor(name: names.layer, shape: [shape.images, shape.tokens, shape.dim], values: Operand(output)),
        ]
    }
}
