import Base
import Kernels

// M = N T rows, of the stage that has more; D channels, V values per patch.

/// Elements of `Scratch`.
struct ScratchSizes {
    /// M D.
    let tokens: Int
    /// M D, or more where the attention's products have more columns.
    var projection: Int
    /// M K for the widest layer of K hidden channels.
    var hidden = 0
    /// Floats of a thread for one image, of the widest layer.
    var wide = 0
    /// M D where a layer needs it.
    var residual = 0
    fileprivate let images, predictions, derivation, head: Int

    init(_ configuration: ModelConfiguration, _ shapes: StageShapes) {
        let stages = [shapes.encoder, shapes.decoder]
        images = shapes.decoder.images
        tokens = stages.map { $0.images * $0.tokens * $0.dim }.max() ?? 0
        projection = tokens
        predictions = shapes.decoder.images * shapes.decoder.tokens * configuration.patchValueCount
        derivation = configuration.dim * max(configuration.dim, configuration.patchValueCount)
        head = stages.map(\.scratchCount).max() ?? 0
    }
}

/// Memory of a pass that is not needed after a layer has run.
struct Scratch {
    /// (M, D).
    let first: UnsafeMutablePointer<Float>
    /// What a block's gradients of weights are computed from once all images are done, in the format of factors: the gradient of the
    /// attention's output (M, D) and of its projected tokens; and the output's of the other layer, (M, D).
    let attentionUpstream, projectionUpstream, tokenUpstream: Operand
    /// The norms' outputs from which attention and the other layer are computed, (M, D) in the format of factors; the forward pass
    /// keeps them for one image, the backward pass computes them again.
    let attentionInput, tokenInput: Operand
    /// Two factors with the hidden channels of the other layer, (M, K), and one with its tokens, (M, D).
    let hiddenFirst, hiddenSecond, residual: Operand
    /// The gradient of the predictions as a factor, (M, V); empty if factors are fp32.
    let predictionGradient: Operand
    private let sizes: ScratchSizes
    private let heads: UnsafeMutablePointer<Float>  // one head's matrices for each thread
    private let products: UnsafeMutablePointer<Float>
    private let wides: UnsafeMutablePointer<Float>
    private let derivations: UnsafeMutablePointer<Float>  // (threads, D, D), or (threads, D, V) if that is larger

    init(_ sizes: ScratchSizes, _ format: OperandFormat, threads: Int, in arena: inout Arena) throws {
        self.sizes = sizes
        derivations = try arena.floats(threads * sizes.derivation)
        first = try arena.floats(sizes.tokens)
        attentionUpstream = try arena.operands(sizes.tokens, format)
        projectionUpstream = try arena.operands(sizes.projection, format)
        tokenUpstream = try arena.operands(sizes.tokens, format)
        attentionInput = try arena.operands(sizes.tokens, format)
        tokenInput = try arena.operands(sizes.tokens, format)
        hiddenFirst = try arena.operands(sizes.hidden, format)
        hiddenSecond = try arena.operands(sizes.hidden, format)
        residual = try arena.operands(sizes.residual, format)
        predictionGradient = try arena.operands(format == .float32 ? 0 : sizes.predictions, format)
        heads = try arena.floats(threads * sizes.head)
        products = try arena.floats(threads * productScratchCount)
        wides = try arena.floats(threads * sizes.wide)
    }

    /// Elements of an image in the stage that has more.
    var tokensPerImage: Int { sizes.tokens / sizes.images }
    var hiddenPerImage: Int { sizes.hidden / sizes.images }

    func first(_ format: OperandFormat) -> Operand { Operand(first, format) }
    /// `first` in the format of products that are not used as factors.
    var product: Operand { Operand(first, attentionUpstream.format.result) }
    func head(of thread: Int) -> UnsafeMutablePointer<Float> { heads + thread * sizes.head }
    func products(of thread: Int) -> UnsafeMutablePointer<Float> { products + thread * productScratchCount }
    func wide(of thread: Int) -> UnsafeMutablePointer<Float> { wides + thread * sizes.wide }
    /// Scratch of `thread` for deriving weights; that of thread 0 extends over those of all others.
    func derivation(of thread: Int) -> UnsafeMutablePointer<Float> { derivations + thread * sizes.derivation }
}
