import Kernels

/// One layer of the encoder or the decoder, (M, D) -> (M, D), with the offsets of its parameters and the memory of its
/// passes.
///
/// To add a kind of block, write a conforming type and create it in `Network` or `DecoderHead`.
protocol Block {
    /// Offset of its first parameter in the flat buffers. Its parameters end where those of the next block begin.
    var offset: Int { get }
    /// z', the result of `forward`, (M, D).
    var output: UnsafeMutablePointer<Float> { get }
    /// Floating-point operations of the matrix products for one training image, forward and backward.
    var operations: Double { get }
    /// Those that its passes execute.
    var executedOperations: Double { get }
    /// Computes z' of one image into `output`.
    func forward(_ z: UnsafeMutablePointer<Float>, _ image: Pass)

    /// Turns d from the gradient of z' into the gradient of z, for one image, and leaves what `addGradients` needs.
    func backward(_ d: UnsafeMutablePointer<Float>, z: UnsafeMutablePointer<Float>, _ image: Pass)

    /// Adds this thread's part of the gradients of the weights, over the rows of all images.
    func addGradients(_ pass: Pass)

    /// Packs the weights derived from parameters. Called by one thread.
    func prepare(_ pass: Pass)

    /// Completes the gradients after the last micro-batch. Called by all threads; afterwards the first thread sees all
    /// gradients.
    func completeGradients(_ pass: Pass)

    /// See `NormLayer.collectGradients`.
    func collectGradients(_ pass: Pass)

    /// A of every head after a forward pass, (N, H, E, E); nil for a block without attention.
    var attention: Operand? { get }

    /// Computes the metrics of this thread's images after a forward pass; `record` receives each value.
    func measure(
        _ pass: Pass, scratch: UnsafeMutablePointer<Double>, record: (BlockMetric, _ image: Int, Double) -> Void)

    /// Nil if the block has no weight metrics. `weights` and `products`: D D floats each.
    func measureWeights(
        _ parameters: UnsafePointer<Float>, weights: UnsafeMutablePointer<Float>, products: UnsafeMutablePointer<Float>
    ) -> WeightMetrics?

    /// The outputs of the last forward pass, whose input was z, in order of computation.
    func tensors(
        _ z: UnsafeMutablePointer<Float>, _ shape: AttentionShape, _ parameters: UnsafePointer<Float>
    ) -> [PassTensor]
}

extension Block {
    /// The backward pass of all images and the gradients of the weights.
    func backwardOfAll(_ d: UnsafeMutablePointer<Float>, z: UnsafeMutablePointer<Float>, _ pass: Pass) {
        pass.forEachImage { backward(d, z: z, $0) }
        pass.sync()
        addGradients(pass)
        pass.sync()
    }

    func prepare(_ pass: Pass) {}

    func completeGradients(_ pass: Pass) {
        pass.sync()
        if pass.thread == 0 { collectGradients(pass) }
    }

    var attention: Operand? { nil }

    func measure(
        _ pass: Pass, scratch: UnsafeMutablePointer<Double>, record: (BlockMetric, _ image: Int, Double) -> Void
    ) {}

    func measureWeights(
        _ parameters: UnsafePointer<Float>, weights: UnsafeMutablePointer<Float>, products: UnsafeMutablePointer<Float>
    ) -> WeightMetrics? { nil }

    func tensors(
        _ z: UnsafeMutablePointer<Float>, _ shape: AttentionShape, _ parameters: UnsafePointer<Float>
    ) -> [PassTensor] { [] }
}

/// Operations for one training image in a block with attention of the extents `shape`: 2 T D^2 `weights` + 10 T S D,
/// where `weights` is the number of products with a (D, D) matrix, forward and backward, and S (nil: T) that of the columns
/// of the scores.
func productOperations(ofWeights weights: Int, scoreColumns: Int? = nil, _ shape: AttentionShape) -> Double {
    let (tokens, dim) = (Double(shape.tokens), Double(shape.dim))
    return 2 * tokens * dim * dim * Double(weights) + 10 * tokens * Double(scoreColumns ?? shape.tokens) * dim
}
