import Kernels

/// The encoder block in reverse: h = LN(z) W^T, z' = h - MSSA(LN h). (M, D) -> (M, D)
///
/// There is no skip connection around the dictionary. Source: Pai et al., Masked Completion via Structured Diffusion
/// with White-Box Transformers (arXiv 2404.02446).
struct DecoderBlock: Block {
    let norm: NormLayer
    let dictionary: Weight  // W (D, D)
    let synthesised: UnsafeMutablePointer<Float>  // h, (M, D)
    let mssa: AttentionLayer
    /// 2 T D^2 9 + 10 T^2 D.
    let operations, executedOperations: Double
    private let name: String

    init(_ name: String, in builder: inout LayerBuilder) throws {
        let dim = builder.shape.dim
        norm = try NormLayer("\(name).0.norm", epsilon: 1e-5, in: &builder)
        dictionary = builder.weight("\(name).0.fn.weight", dim, dim, initial: .dictionary(dim: dim))
        synthesised = try builder.floats(builder.rows * dim)
        mssa = try AttentionLayer("\(name).1", sign: -1, initial: InitialValue.xavier(dim: dim), in: &builder)
        operations = productOperations(ofWeights: 9, builder.shape)
        executedOperations = productOperations(
            ofWeights: 9, scoreColumns: builder.shape.extent, builder.shape)
        self.name = name
    }

    var offset: Int { norm.weight }
    var output: UnsafeMutablePointer<Float> { mssa.sum }

    func forward(_ z: UnsafeMutablePointer<Float>, _ image: Pass) {
        let normed = image.reused(image.scratch.dictionaryInput)
        norm.forward(z, image, into: normed)
        multiply(image.matrix(normed), image.prepared.forward(dictionary), into: image.tokens(synthesised))
        mssa.forward(synthesised, image)
    }

    /// With dh the gradient of h: dLN(z) = dh W.
    func backward(_ d: UnsafeMutablePointer<Float>, z: UnsafeMutablePointer<Float>, _ image: Pass) {
        mssa.backward(d, x: synthesised, image)
        let (upstream, product) = (image.own(image.scratch.dictionary), image.reused(image.scratch.product))
        convert(image.own(d), count: image.rows * image.dim, into: upstream)
        multiply(
            image.matrix(upstream), image.prepared.backward(dictionary), into: image.matrix(product),
            next: image.memory(z))
        norm.backward(
            product, x: z, image, into: d, isAdding: false, output: image.own(image.scratch.dictionaryInput))
    }

    /// dW += dh^T LN(z).
    func addGradients(_ pass: Pass) {
        pass.addGradient(of: dictionary, pass.scratch.dictionary, pass.scratch.dictionaryInput)
        mssa.addGradients(pass)
    }

    func collectGradients(_ pass: Pass) {
        norm.collectGradients(pass)
        mssa.collectGradients(pass)
    }

    var attention: Operand? { mssa.probabilities }

    func tensors(
        _ z: UnsafeMutablePointer<Float>, _ shape: AttentionShape, _ parameters: UnsafePointer<Float>
    ) -> [PassTensor] {
        let tokens = [shape.images, shape.tokens, shape.dim]
        return [
            norm.tensor("\(name).0.norm", z, shape, parameters),
            PassTensor(name: "\(name).0", shape: tokens, values: Operand(synthesised)),
        ] + mssa.tensors("\(name).1", synthesised, shape, parameters)
    }
}
