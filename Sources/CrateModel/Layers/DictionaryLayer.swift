import Kernels

/// y = LN(x) W^T: the decoder's synthesis from the sparse code with the dictionary W (D, D), without a skip connection.
/// (M, D) -> (M, D)
///
/// Source: Pai et al., Masked Completion via Structured Diffusion with White-Box Transformers (arXiv 2404.02446).
struct DictionaryLayer: BlockLayer {
    let norm: NormLayer
    let dictionary: Weight  // W (D, D)
    let output: UnsafeMutablePointer<Float>
    /// 2 T D^2 3.
    let operations: LayerOperations
    private let name: String

    init(_ name: String, in builder: inout LayerBuilder) throws {
        let dim = builder.shape.dim
        norm = try NormLayer("\(name).norm", epsilon: 1e-5, in: &builder)
        dictionary = builder.weight("\(name).fn.weight", dim, dim, initial: .dictionary(dim: dim))
        output = try builder.floats(builder.rows * dim)
        operations = LayerOperations(weights: 3, builder.shape)
        self.name = name
    }

    func forward(_ x: UnsafeMutablePointer<Float>, _ image: Pass) {
        let normed = image.reused(image.scratch.tokenInput)
        norm.forward(x, image, into: normed)
        multiply(image.matrix(normed), image.prepared.forward(dictionary), into: image.tokens(output))
    }

    /// dLN(x) = d W.
    func backward(_ d: UnsafeMutablePointer<Float>, x: UnsafeMutablePointer<Float>, _ image: Pass) {
        let (upstream, product) = (image.own(image.scratch.tokenUpstream), image.first(image.prepared.format.result))
        convert(image.own(d), count: image.rows * image.dim, into: upstream)
        multiply(
            image.matrix(upstream), image.prepared.backward(dictionary), into: image.matrix(product),
            next: image.memory(x))
        norm.backward(
            product, x: x, image, into: d, isAdding: false, output: image.own(image.scratch.tokenInput))
    }

    /// dW += d^T LN(x).
    func addGradients(_ pass: Pass) {
        pass.addGradient(of: dictionary, pass.scratch.tokenUpstream, pass.scratch.tokenInput)
    }

    func collectGradients(_ pass: Pass) { norm.collectGradients(pass) }

    func tensors(
        _ x: UnsafeMutablePointer<Float>, _ shape: AttentionShape, _ parameters: UnsafePointer<Float>
    ) -> [PassTensor] {
        [
            norm.tensor("\(name).norm", x, shape, parameters),
            PassTensor(name: name, shape: [shape.images, shape.tokens, shape.dim], values: Operand(output)),
        ]
    }
}
