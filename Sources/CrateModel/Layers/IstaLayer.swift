import Kernels

/// y = ISTA(LN x): one step of sparse coding with the dictionary W (D, D). (M, D) -> (M, D)
///
/// There is no skip connection around it. Source: Yu et al., White-Box Transformers via Sparse Rate Reduction (arXiv 2306.01129).
struct IstaLayer: BlockLayer {
    let norm: NormLayer
    let map: Weight  // G (D, D), see `istaMap`; derived from the dictionary W (D, D)
    let step: IstaStep
    let output: UnsafeMutablePointer<Float>
    /// 2 T D^2 6; one product forward and two backward are executed.
    let operations: LayerOperations
    private let name: String

    /// `name` is the prefix of the parameters' names.
    init(_ name: String, lambda: Double, in builder: inout LayerBuilder) throws {
        let dim = builder.shape.dim
        norm = try NormLayer("\(name).norm", epsilon: 1e-5, in: &builder)
        map = builder.weight("\(name).fn.weight", dim, dim, initial: .dictionary(dim: dim), isDerived: true)
        step = IstaStep(size: Float(ModelConfiguration.istaStepSize), lambda: Float(lambda))
        output = try builder.floats(builder.rows * dim)
        operations = LayerOperations(weights: 6, executed: 3, builder.shape)
        self.name = name
    }

    func forward(_ x: UnsafeMutablePointer<Float>, _ image: Pass) {
        let normed = image.reused(image.scratch.tokenInput)
        norm.forward(x, image, into: normed)
        ista(normed, norm.rows(of: x, image), map: image.prepared.forward(map), step: step, into: image.own(output))
    }

    func backward(_ d: UnsafeMutablePointer<Float>, x: UnsafeMutablePointer<Float>, _ image: Pass) {
        let product = image.first(image.prepared.format.result)
        istaBackward(
            image.own(d), transposedMap: image.prepared.backward(map), y: image.own(output), rows: image.rows,
            dim: image.dim, factor: image.own(image.scratch.tokenUpstream), product: product, next: image.memory(x))
        norm.backward(
            product, skip: image.own(d), x: x, image, into: d, isAdding: false,
            output: image.own(image.scratch.tokenInput))
    }

    /// With e as in `istaBackward`: dG += LN(x)^T e, stored in place of dW.
    func addGradients(_ pass: Pass) {
        pass.addGradient(of: map, pass.scratch.tokenInput, pass.scratch.tokenUpstream)
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
        let (gradient, dim) = (pass.gradients + map.offset, map.inputs)
        let rows = pass.team.part(pass.thread, of: dim, grain: 16)
        istaMapBackwardSum(gradient, rows: rows, dim: dim, into: pass.derivation)
        pass.sync()
        istaMapBackward(
            gradient, dictionary: pass.parameters + map.offset, step: step, rows: rows, dim: dim, sum: pass.derivation,
            scratch: pass.products, pass.prepared.backend)
        pass.sync()
    }

    func collectGradients(_ pass: Pass) { norm.collectGradients(pass) }

    /// LN(x) again, in fp32, beside y.
    func measure(_ x: UnsafeMutablePointer<Float>, _ pass: Pass, record: (BlockMetric, _ image: Int, Double) -> Void) {
        let count = pass.shape.tokens * pass.dim
        let (normed, y) = (pass.own(pass.scratch.first), pass.own(output))
        layerNorm(norm.rows(of: x, pass), epsilon: norm.epsilon, into: Operand(normed))
        for image in 0..<pass.shape.images {
            let (normed, y) = (normed + image * count, y + image * count)
            record(.sparsityBefore, image, Double(countOfNonPositive(normed, count: count)) / Double(count))
            record(.sparsity, image, Double(countOfNonPositive(y, count: count)) / Double(count))
            record(.istaStep, image, relativeDistance(y, normed, count: count))
        }
    }

    func measureWeights(
        _ parameters: UnsafePointer<Float>, scratch: UnsafeMutablePointer<Float>, into metrics: inout WeightMetrics
    ) {
        let dim = map.inputs
        scratch.update(from: parameters + map.offset, count: dim * dim)
        metrics.dictionaryCoherence = dictionaryCoherence(scratch, dim: dim, products: scratch + dim * dim)
    }

    func tensors(
        _ x: UnsafeMutablePointer<Float>, _ shape: AttentionShape, _ parameters: UnsafePointer<Float>
    ) -> [PassTensor] {
        [
            norm.tensor("\(name).norm", x, shape, parameters),
            PassTensor(name: name, shape: [shape.images, shape.tokens, shape.dim], values: Operand(output)),
        ]
    }
}
