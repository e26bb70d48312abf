import Buffers
import Kernels

/// One step of compression and one of sparsification: h = z + MSSA(LN z), z' = ISTA(LN h). (M, D) -> (M, D)
///
/// There is no skip connection around ISTA.
/// Source: Yu et al., White-Box Transformers via Sparse Rate Reduction (arXiv 2306.01129).
struct EncoderBlock: Sendable {
    let attention: AttentionLayer
    let norm: NormLayer
    let dictionary: Int  // W (D, D)
    let map: Int  // B (D, D), among the prepared weights; see `istaMap`
    let step: IstaStep

    struct Saved {
        let attention: AttentionLayer.Saved
        let norm: NormLayer.Saved
        let output: UnsafeMutablePointer<Float>  // z', (M, D)

        init(_ shape: AttentionShape, threads: Int, in arena: inout Arena) throws {
            let (rows, dim) = (shape.images * shape.tokens, shape.heads * shape.headDim)
            attention = try .init(shape, threads: threads, in: &arena)
            norm = try .init(rows: rows, dim: dim, threads: threads, in: &arena)
            output = try arena.floats(rows * dim)
        }
    }

    init(
        _ name: String, _ configuration: ModelConfiguration, in layout: inout ParameterLayout,
        prepared: inout PreparedLayout
    ) {
        let dim = configuration.dim
        attention = AttentionLayer(
            "\(name).layers.0.0", dim: dim, heads: configuration.heads, sign: 1, in: &layout)
        norm = NormLayer("\(name).layers.0.1.norm", dim: dim, epsilon: 1e-5, in: &layout)
        dictionary = layout.append("\(name).layers.0.1.fn.weight", [dim, dim], initial: .dictionary(dim: dim))
        map = prepared.append(dim * dim)
        step = IstaStep(size: Float(ModelConfiguration.istaStepSize), lambda: Float(configuration.lambda))
    }

    /// Leaves z' in `saved.output`.
    func forward(_ z: UnsafeMutablePointer<Float>, _ pass: Pass, _ saved: Saved, _ scratch: Scratch) {
        attention.forward(z, pass, saved.attention, scratch)
        pass.finish(.mssa)
        norm.forward(saved.attention.sum, pass, saved.norm)
        ista(
            pass.own(saved.norm.output), map: pass.prepared + map, step: step, rows: pass.rows, dim: pass.dim,
            into: pass.own(saved.output))
        pass.finish(.ista)
    }

    /// d, the gradient of z', becomes the gradient of z. With e as in `istaBackward`: dB += LN(h)^T e, in the place of dW.
    func backward(
        _ d: UnsafeMutablePointer<Float>, z: UnsafeMutablePointer<Float>, _ pass: Pass, _ saved: Saved,
        _ scratch: Scratch
    ) {
        let dNormed = scratch.first
        istaBackward(
            pass.own(d), map: pass.prepared + map, y: pass.own(saved.output), rows: pass.rows, dim: pass.dim,
            into: pass.own(dNormed))
        pass.sync()
        pass.addWeightGradient(dictionary, saved.norm.output, d)
        pass.sync()
        norm.backward(dNormed, x: saved.attention.sum, pass, saved.norm, into: d, isAdding: false)
        pass.finish(.ista)
        attention.backward(d, x: z, pass, saved.attention, scratch)
        pass.finish(.mssa)
    }

    /// B from W.
    func prepare(_ parameters: UnsafeMutablePointer<Float>, into prepared: UnsafeMutablePointer<Float>, dim: Int) {
        istaMap(parameters + dictionary, step: step, dim: dim, into: prepared + map)
    }

    /// dW from dB, in place. B itself is used up as scratch.
    func finishGradient(
        _ gradients: UnsafeMutablePointer<Float>, parameters: UnsafeMutablePointer<Float>,
        prepared: UnsafeMutablePointer<Float>, dim: Int
    ) {
        istaMapBackward(
            gradients + dictionary, dictionary: parameters + dictionary, step: step, dim: dim, scratch: prepared + map)
    }
}

extension InitialValue {
    /// Uniform with bound sqrt(6 / D): Kaiming's, for ISTA and decoder dictionaries.
    static func dictionary(dim: Int) -> InitialValue { .uniform(bound: (6 / Double(dim)).squareRoot()) }
}
