import Kernels

/// One step of compression and one of sparsification: h = z + MSSA(LN z), z' = ISTA(LN h). (M, D) -> (M, D)
///
/// There is no skip connection around ISTA. Source: Yu et al., White-Box Transformers via Sparse Rate Reduction
/// (arXiv 2306.01129).
struct EncoderBlock: Block {
    let mssa: AttentionLayer
    let norm: NormLayer
    let map: Weight  // G (D, D), see `istaMap`; derived from the dictionary W (D, D)
    let step: IstaStep
    let output: UnsafeMutablePointer<Float>
    /// 2 T D^2 12 + 10 T^2 D, with ISTA counted by its plain formula.
    let operations: Double
    /// ISTA is one product forward and two backward.
    let executedOperations: Double
    let heads: Int
    private let name: String

    /// `name` is the prefix of the parameters' names; `initial` is for the weights and biases of the attention.
    init(
        _ name: String, lambda: Double, initial: (weight: InitialValue, bias: InitialValue),
        in builder: inout LayerBuilder
    ) throws {
        let dim = builder.shape.dim
        mssa = try AttentionLayer("\(name).0", sign: 1, initial: initial, in: &builder)
        norm = try NormLayer("\(name).1.norm", epsilon: 1e-5, in: &builder)
        map = builder.weight("\(name).1.fn.weight", dim, dim, initial: .dictionary(dim: dim), isDerived: true)
        step = IstaStep(size: Float(ModelConfiguration.istaStepSize), lambda: Float(lambda))
        output = try builder.floats(builder.rows * dim)
        operations = productOperations(ofWeights: 12, builder.shape)
        executedOperations = productOperations(
            ofWeights: 9, scoreColumns: builder.shape.extent, builder.shape)
        heads = builder.shape.heads
        self.name = name
    }

    var offset: Int { mssa.norm.weight }

    func forward(_ z: UnsafeMutablePointer<Float>, _ image: Pass) {
        mssa.forward(z, image)
        image.lap(.mssa)
        let normed = image.reused(image.scratch.dictionaryInput)
        norm.forward(mssa.sum, image, into: normed)
        ista(
            normed, norm.rows(of: mssa.sum, image), map: image.prepared.forward(map), step: step,
            into: image.own(output))
        image.lap(.ista)
    }

    func backward(_ d: UnsafeMutablePointer<Float>, z: UnsafeMutablePointer<Float>, _ image: Pass) {
        let product = image.reused(image.scratch.product)
        istaBackward(
            image.own(d), transposedMap: image.prepared.backward(map), y: image.own(output), rows: image.rows,
            dim: image.dim, factor: image.own(image.scratch.dictionary), product: product, next: image.memory(mssa.sum))
        norm.backward(
            product, skip: image.own(d), x: mssa.sum, image, into: d, isAdding: false,
            output: image.own(image.scratch.dictionaryInput))
        image.lap(.ista)
        mssa.backward(d, x: z, image)
        image.lap(.mssa)
    }

    /// With e as in `istaBackward`: dG += LN(h)^T e, stored in place of dW.
    func addGradients(_ pass: Pass) {
        pass.addGradient(of: map, pass.scratch.dictionaryInput, pass.scratch.dictionary)
        pass.lap(.ista)
        mssa.addGradients(pass)
        pass.lap(.mssa)
    }

    /// G from W.
    func prepare(_ pass: Pass) {
        let values = pass.ownDerivation
        istaMap(
            pass.parameters + map.offset, step: step, dim: map.inputs, into: values, scratch: pass.products,
            pass.prepared.backend)
        // x G, where a weight is multiplied as x W^T.
        pass.prepared.forward(map).pack(values, isTransposed: false)
        pass.prepared.backward(map).pack(values, isTransposed: true)
    }

    /// dW from dG, in place.
    func completeGradients(_ pass: Pass) {
        pass.sync()
        if pass.thread == 0 { collectGradients(pass) }
        let (gradient, dim) = (pass.gradients + map.offset, map.inputs)
        let rows = pass.team.part(pass.thread, of: dim, grain: 16)
        istaMapBackwardSum(gradient, rows: rows, dim: dim, into: pass.derivation)
        pass.sync()
        istaMapBackward(
            gradient, dictionary: pass.parameters + map.offset, step: step, rows: rows, dim: dim, sum: pass.derivation,
            scratch: pass.products, pass.prepared.backend)
        pass.sync()
        pass.lap(.ista)
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
        return mssa.tensors("\(name).0", z, shape, parameters) + [
            norm.tensor("\(name).1.norm", mssa.sum, shape, parameters),
            PassTensor(name: "\(name).1", shape: tokens, values: Operand(output)),
        ]
    }
}
