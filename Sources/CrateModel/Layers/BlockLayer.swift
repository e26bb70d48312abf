import Kernels

/// One half of a block, x (M, D) -> y (M, D), with the offsets of its parameters and the memory of its passes: attention, or a function
/// of each token.
///
/// To add one, write a conforming type, forward beside backward, and use it in `Architecture+Blocks`.
protocol BlockLayer {
    /// The norm of x, whose parameters come first in the flat buffers.
    var norm: NormLayer { get }
    /// y, the result of `forward`, (M, D).
    var output: UnsafeMutablePointer<Float> { get }
    var operations: LayerOperations { get }

    /// Computes y of one image into `output`.
    func forward(_ x: UnsafeMutablePointer<Float>, _ image: Pass)

    /// Turns d from the gradient of y into the gradient of x, for one image, and leaves what `addGradients` needs.
    func backward(_ d: UnsafeMutablePointer<Float>, x: UnsafeMutablePointer<Float>, _ image: Pass)

    /// Adds this thread's part of the gradients of the weights, over the rows of all images.
    func addGradients(_ pass: Pass)

    /// Packs the weights derived from parameters. Called by one thread.
    func prepare(_ pass: Pass)

    /// Completes the gradients of derived weights after the last micro-batch. Called by all threads, in step; afterwards all of them
    /// see the result.
    func completeGradients(_ pass: Pass)

    /// See `NormLayer.collectGradients`.
    func collectGradients(_ pass: Pass)

    /// A of every head after a forward pass, (N, H, E, E); nil for a layer without attention among tokens.
    var attention: Operand? { get }

    /// How far each token belongs to each head after a forward pass, (N, T, H), of an attention without scores.
    var memberships: UnsafeMutablePointer<Float>? { get }

    /// The subspaces on which coding rates are measured, if the layer has some.
    var subspaces: (any SubspaceProjection)? { get }

    /// Records the metrics that the layer itself defines, of this thread's images after a forward pass.
    func measure(_ x: UnsafeMutablePointer<Float>, _ pass: Pass, record: (BlockMetric, _ image: Int, Double) -> Void)

    /// Metrics of its weights. `scratch`: 2 D D floats.
    func measureWeights(
        _ parameters: UnsafePointer<Float>, scratch: UnsafeMutablePointer<Float>, into metrics: inout WeightMetrics)

    /// The outputs of the last forward pass, whose input was x, in order of computation.
    func tensors(
        _ x: UnsafeMutablePointer<Float>, _ shape: AttentionShape, _ parameters: UnsafePointer<Float>
    ) -> [PassTensor]
}

extension BlockLayer {
    var offset: Int { norm.weight }
    func prepare(_ pass: Pass) {}
    func completeGradients(_ pass: Pass) {}
    var attention: Operand? { nil }
    var memberships: UnsafeMutablePointer<Float>? { nil }
    var subspaces: (any SubspaceProjection)? { nil }
    func measure(_ x: UnsafeMutablePointer<Float>, _ pass: Pass, record: (BlockMetric, _ image: Int, Double) -> Void) {}
    func measureWeights(
        _ parameters: UnsafePointer<Float>, scratch: UnsafeMutablePointer<Float>, into metrics: inout WeightMetrics
    ) {}
}

/// Projects tokens on the subspaces of H heads.
protocol SubspaceProjection: BlockLayer {
    /// LN(x) on the subspaces, of the last forward pass.
    var projected: ProjectedTokens { get }

    /// `normed` (T, D), the norm of an image's tokens as a factor, on the subspaces; in memory of the pass.
    func project(_ normed: Operand, _ image: Pass) -> ProjectedTokens
}

/// Tokens on subspaces: channel p of head h is value h P + p of a row, and rows are `stride` values apart.
struct ProjectedTokens {
    let values: Operand
    let stride: Int
}

/// Floating-point operations of the matrix products of a layer for one training image. A product with a weight is computed once forward
/// and twice backward.
struct LayerOperations {
    /// Forward and backward, by the plain formula.
    var nominal: Double
    /// Those that its passes execute, with padding.
    var executed: Double
    /// Those that its passes execute, without padding.
    var forward, backward: Double

    /// 2 T D^2 for each of `weights` products with a (D, D) matrix, of which `executed` (nil: all) are computed, forward and backward
    /// together, and 2 T^2 D for each of `scores` products of tokens with tokens.
    init(
        weights: Int, executed: Int? = nil, scores: (forward: Int, backward: Int) = (0, 0), _ shape: AttentionShape
    ) {
        let (tokens, dim, columns) = (Double(shape.tokens), Double(shape.dim), Double(shape.extent))
        let (product, all, own) = (2 * tokens * dim * dim, Double(weights), Double(executed ?? weights))
        let (ahead, back) = (Double(scores.forward), Double(scores.backward))
        nominal = product * all + 2 * tokens * tokens * dim * (ahead + back)
        self.executed = product * own + 2 * tokens * columns * dim * (ahead + back)
        forward = product * own / 3 + 2 * tokens * tokens * dim * ahead
        backward = product * own * 2 / 3 + 2 * tokens * tokens * dim * back
    }

    static func + (a: LayerOperations, b: LayerOperations) -> LayerOperations {
        var sum = a
        sum.nominal += b.nominal
        sum.executed += b.executed
        sum.forward += b.forward
        sum.backward += b.backward
        return sum
    }
}
