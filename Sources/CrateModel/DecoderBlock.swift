import Base
import Kernels

/// The encoder block run backwards: h = LN(z) W^T, z' = h - MSSA(LN h). (M, D) -> (M, D)
///
/// There is no skip connection around the dictionary.
/// Source: Pai et al., Masked Completion via Structured Diffusion with White-Box Transformers (arXiv 2404.02446).
struct DecoderBlock: Sendable {
    let norm: NormLayer
    let dictionary: Weight  // W (D, D)
    let attention: AttentionLayer

    struct Saved {
        let norm: NormLayer.Saved
        let synthesised: UnsafeMutablePointer<Float>  // h, (M, D)
        let attention: AttentionLayer.Saved

        /// z', (M, D).
        var output: UnsafeMutablePointer<Float> { attention.sum }

        init(_ shape: AttentionShape, _ format: OperandFormat, threads: Int, in arena: inout Arena) throws {
            let (rows, dim) = (shape.images * shape.tokens, shape.heads * shape.headDim)
            norm = try .init(rows: rows, dim: dim, format, threads: threads, in: &arena)
            synthesised = try arena.floats(rows * dim)
            attention = try .init(shape, format, threads: threads, in: &arena)
        }
    }

    init(
        _ name: String, _ configuration: ModelConfiguration, in layout: inout ParameterLayout,
        prepared: inout PreparedLayout
    ) {
        let dim = configuration.dim
        norm = NormLayer("\(name).layers.0.0.norm", dim: dim, epsilon: 1e-5, in: &layout)
        dictionary = prepared.append(
            layout.append("\(name).layers.0.0.fn.weight", [dim, dim], initial: .dictionary(dim: dim)), dim, dim)
        attention = AttentionLayer(
            "\(name).layers.0.1", dim: dim, heads: configuration.heads, sign: -1,
            initial: InitialValue.xavier(dim: dim),
            in: &layout, prepared: &prepared)
    }

    /// Leaves z' in `saved.output`.
    func forward(_ z: UnsafeMutablePointer<Float>, _ pass: Pass, _ saved: Saved) {
        norm.forward(z, pass, saved.norm)
        multiply(
            pass.tokens(saved.norm.output), pass.matrix(dictionary).transposed, into: pass.tokens(saved.synthesised))
        attention.forward(saved.synthesised, pass, saved.attention)
    }

    /// d, the gradient of z', becomes the gradient of z: with dh that of h, dW += dh^T LN(z), dLN(z) = dh W.
    func backward(_ d: UnsafeMutablePointer<Float>, z: UnsafeMutablePointer<Float>, _ pass: Pass, _ saved: Saved) {
        attention.backward(d, x: saved.synthesised, pass, saved.attention)
        let upstream = pass.factor(d, in: pass.scratch.upstream)
        pass.sync()
        pass.addGradient(of: dictionary, upstream, saved.norm.output)
        multiply(pass.tokens(upstream), pass.matrix(dictionary), into: pass.tokens(pass.scratch.product))
        pass.sync()
        norm.backward(pass.scratch.product, x: z, pass, saved.norm, into: d, isAdding: false)
    }

    /// See `NormLayer.collectGradients`.
    func collectGradients(_ pass: Pass, _ saved: Saved) {
        norm.collectGradients(pass, saved.norm)
        attention.norm.collectGradients(pass, saved.attention.norm)
    }
}
