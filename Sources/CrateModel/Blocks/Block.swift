import Kernels

/// One layer of the encoder or the decoder, (M, D) -> (M, D), with the places of its parameters and the memory of its passes.
///
/// A new kind of block is one file with a conformer, and one line in `Network` or `DecoderHead` that makes it.
protocol Block {
    /// Where its parameters begin in the flat buffers. They end where those of the next block begin.
    var offset: Int { get }
    /// z', what `forward` leaves, (M, D).
    var output: UnsafeMutablePointer<Float> { get }
    /// Floating-point operations of the products of one training image, forward and backward.
    var operations: Double { get }
    /// Leaves z' in `output`. Each thread computes the rows of its images.
    func forward(_ z: UnsafeMutablePointer<Float>, _ pass: Pass)

    /// d, the gradient of z', becomes the gradient of z, and the gradients of the parameters are added.
    func backward(_ d: UnsafeMutablePointer<Float>, z: UnsafeMutablePointer<Float>, _ pass: Pass)

    /// Writes the weights that are derived from parameters into `prepared`. `scratch`: D D floats.
    func prepare(
        _ parameters: UnsafeMutablePointer<Float>, into prepared: PreparedWeights, scratch: UnsafeMutablePointer<Float>)

    /// Completes the gradients after the last micro-batch. All threads call it; afterwards the first one has all gradients.
    func completeGradients(_ pass: Pass)

    /// See `NormLayer.collectGradients`.
    func collectGradients(_ pass: Pass)

    /// A of every head after a forward pass, (N, H, E, E); nil where the block has no attention.
    var attention: Operand? { get }

    /// Measures this thread's images in what a forward pass left; `record` takes each number.
    func measure(
        _ pass: Pass, scratch: UnsafeMutablePointer<Double>, record: (BlockMetric, _ image: Int, Double) -> Void)

    /// What the weights are like; nil where that is not known. `weights` and `products`: D D floats each.
    func measureWeights(
        _ parameters: UnsafePointer<Float>, weights: UnsafeMutablePointer<Float>, products: UnsafeMutablePointer<Float>
    ) -> WeightMetrics?

    /// What the last forward pass over `images` images left, in the order of computing.
    func tensors(_ shape: AttentionShape) -> [PassTensor]
}

extension Block {
    func prepare(
        _ parameters: UnsafeMutablePointer<Float>, into prepared: PreparedWeights, scratch: UnsafeMutablePointer<Float>
    ) {}

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

    func tensors(_ shape: AttentionShape) -> [PassTensor] { [] }
}

/// The operations of one training image in a block with attention in the extents `shape`: 2 T D^2 `weights` + 10 T^2 D, where
/// `weights` is how many products with a (D, D) matrix there are, forward and backward.
func productOperations(ofWeights weights: Int, _ shape: AttentionShape) -> Double {
    let (tokens, dim) = (Double(shape.tokens), Double(shape.dim))
    return 2 * tokens * dim * dim * Double(weights) + 10 * tokens * tokens * dim
}
