import Base
import Kernels

/// One step of compression and one of sparsification: h = z + MSSA(LN z), z' = ISTA(LN h). (M, D) -> (M, D)
///
/// There is no skip connection around ISTA.
/// Source: Yu et al., White-Box Transformers via Sparse Rate Reduction (arXiv 2306.01129).
struct EncoderBlock: Sendable {
    let attention: AttentionLayer
    let norm: NormLayer
    let map: Weight  // G (D, D), see `istaMap`; its parameter is the dictionary W (D, D)
    let step: IstaStep

    struct Saved {
        let attention: AttentionLayer.Saved
        let norm: NormLayer.Saved
        let output: UnsafeMutablePointer<Float>  // z', (M, D)

        init(_ shape: AttentionShape, _ format: OperandFormat, threads: Int, in arena: inout Arena) throws {
            let (rows, dim) = (shape.images * shape.tokens, shape.heads * shape.headDim)
            attention = try .init(shape, format, threads: threads, in: &arena)
            norm = try .init(rows: rows, dim: dim, format, threads: threads, in: &arena)
            output = try arena.floats(rows * dim)
        }
    }

    /// The block whose parameters' names begin with `name`; `initial` is for the weights and biases of its attention.
    init(
        _ name: String, _ configuration: ModelConfiguration, initial: (weight: InitialValue, bias: InitialValue),
        in layout: inout ParameterLayout, prepared: inout PreparedLayout
    ) {
        let dim = configuration.dim
        attention = AttentionLayer(
            "\(name).0", dim: dim, heads: configuration.heads, sign: 1, initial: initial, in: &layout,
            prepared: &prepared)
        norm = NormLayer("\(name).1.norm", dim: dim, epsilon: 1e-5, in: &layout)
        map = prepared.append(
            layout.append("\(name).1.fn.weight", [dim, dim], initial: .dictionary(dim: dim)), dim, dim,
            isDerived: true)
        step = IstaStep(size: Float(ModelConfiguration.istaStepSize), lambda: Float(configuration.lambda))
    }

    /// Where its parameters begin in the flat buffers.
    var offset: Int { attention.norm.weight }

    /// Leaves z' in `saved.output`.
    func forward(_ z: UnsafeMutablePointer<Float>, _ pass: Pass, _ saved: Saved) {
        attention.forward(z, pass, saved.attention)
        pass.finish(.mssa)
        norm.forward(saved.attention.sum, pass, saved.norm)
        ista(
            pass.own(saved.norm.output), norm.rows(of: saved.attention.sum, pass, saved.norm),
            map: pass.prepared.operand(map), step: step, into: pass.own(saved.output))
        pass.finish(.ista)
    }

    /// d, the gradient of z', becomes the gradient of z. With e as in `istaBackward`: dG += LN(h)^T e, in the place of dW.
    func backward(_ d: UnsafeMutablePointer<Float>, z: UnsafeMutablePointer<Float>, _ pass: Pass, _ saved: Saved) {
        let (factor, product) = (pass.factorMemory(for: d), pass.scratch.product)
        istaBackward(
            pass.own(d), map: pass.prepared.operand(map), y: pass.own(saved.output), rows: pass.rows, dim: pass.dim,
            factor: pass.own(factor), product: pass.own(product))
        pass.sync()
        pass.addGradient(of: map, saved.norm.output, factor)
        pass.sync()
        norm.backward(product, skip: d, x: saved.attention.sum, pass, saved.norm, into: d, isAdding: false)
        pass.finish(.ista)
        attention.backward(d, x: z, pass, saved.attention)
        pass.finish(.mssa)
    }

    /// G from W.
    func prepare(
        _ parameters: UnsafeMutablePointer<Float>, into prepared: PreparedWeights, scratch: UnsafeMutablePointer<Float>
    ) {
        istaMap(
            parameters + map.offset, step: step, dim: map.inputs, into: prepared.operand(map), scratch: scratch)
    }

    /// Completes the gradients after the last micro-batch: dW from dG, in place.
    func completeGradients(_ pass: Pass, _ saved: Saved) {
        pass.sync()
        if pass.thread == 0 { collectGradients(pass, saved) }
        let (gradient, dim) = (pass.gradients + map.offset, map.inputs)
        let rows = pass.team.part(pass.thread, of: dim, grain: 16)
        istaMapBackwardSum(gradient, rows: rows, dim: dim, into: pass.derivation)
        pass.sync()
        istaMapBackward(
            gradient, dictionary: pass.parameters + map.offset, step: step, rows: rows, dim: dim, sum: pass.derivation)
        pass.sync()
    }

    /// See `NormLayer.collectGradients`.
    func collectGradients(_ pass: Pass, _ saved: Saved) {
        norm.collectGradients(pass, saved.norm)
        attention.norm.collectGradients(pass, saved.attention.norm)
    }
}

/// The encoder: its blocks one after the other.
extension [EncoderBlock] {
    /// From the tokens z on. Returns the last block's output.
    func forward(
        _ tokens: UnsafeMutablePointer<Float>, _ pass: Pass, _ saved: [EncoderBlock.Saved]
    ) -> UnsafeMutablePointer<Float> {
        var z = tokens
        for (block, saved) in zip(self, saved) {
            block.forward(z, pass, saved)
            z = saved.output
        }
        return z
    }

    /// d, the gradient of the last block's output, becomes that of the tokens. The last time of a sum (`isLast`) the gradients
    /// of each block are completed, and `completed` called with its number, on the first thread.
    func backward(
        _ d: UnsafeMutablePointer<Float>, tokens: UnsafeMutablePointer<Float>, _ pass: Pass,
        _ saved: [EncoderBlock.Saved], isLast: Bool, completed: (Int) -> Void
    ) {
        for index in indices.reversed() {
            self[index].backward(d, z: index == 0 ? tokens : saved[index - 1].output, pass, saved[index])
            guard isLast else { continue }
            self[index].completeGradients(pass, saved[index])
            pass.finish(.ista)
            if pass.thread == 0 { completed(index) }
        }
    }

    /// See `NormLayer.collectGradients`.
    func collectGradients(_ pass: Pass, _ saved: [EncoderBlock.Saved]) {
        for (block, saved) in zip(self, saved) { block.collectGradients(pass, saved) }
    }
}

extension InitialValue {
    /// Uniform with bound sqrt(6 / D): Kaiming's, for ISTA and decoder dictionaries.
    static func dictionary(dim: Int) -> InitialValue { .uniform(bound: (6 / Double(dim)).squareRoot()) }

    /// Weight and bias of a square product of the masked autoencoder: Xavier's, and zero.
    static func xavier(dim: Int) -> (weight: InitialValue, bias: InitialValue) {
        (.uniform(bound: (3 / Double(dim)).squareRoot()), .constant(0))
    }

    /// Weight and bias of a product of the supervised model: uniform with bound 1 / sqrt(inputs), as PyTorch has it.
    static func linear(inputs: Int) -> (weight: InitialValue, bias: InitialValue) {
        let value = InitialValue.uniform(bound: 1 / Double(inputs).squareRoot())
        return (value, value)
    }
}
