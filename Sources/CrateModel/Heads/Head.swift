import Kernels

/// What follows the encoder: outputs of its tokens, and their loss.
protocol Head {
    /// Where its parameters begin in the flat buffers; they reach to the end.
    var offset: Int { get }
    /// The norm behind the encoder, over all tokens, after `normalise` or where `forward` leaves it, (N, T, D).
    var normed: UnsafeMutablePointer<Float> { get }
    /// The decoder's blocks, if any.
    var blocks: [any Block] { get }
    /// Floating-point operations of its own products for one training image, forward and backward, without those of its blocks.
    var operations: Double { get }
    /// What `forward` leaves.
    var outputs: HeadOutputs { get }

    /// Leaves the norm of the encoder's output z (N, T, D) in `normed`, and does no more.
    func normalise(_ z: UnsafeMutablePointer<Float>, _ pass: Pass)

    /// Leaves the outputs of the encoder's output z (N, T, D).
    func forward(_ z: UnsafeMutablePointer<Float>, _ pass: Pass)

    /// The losses of the outputs of `images` go to `imageLosses`; with `gradientScale` their gradients take the outputs' place.
    func loss(
        _ batch: PatchBatch, of images: Range<Int>, gradientScale: Float?, imageLosses: UnsafeMutablePointer<Double>)

    /// Writes to d the gradient of z from the state that `forward` and `loss` left, and adds those of the parameters. The last time
    /// of a sum (`isLast`) it completes them, and on the first thread calls `ready` with the offset of each block whose gradients
    /// are complete.
    func backward(
        into d: UnsafeMutablePointer<Float>, z: UnsafeMutablePointer<Float>, _ pass: Pass, isLast: Bool,
        ready: (Int) -> Void)

    /// See `NormLayer.collectGradients`.
    func collectGradients(_ pass: Pass)

    /// What the last forward pass left, in the order of computing.
    func tensors(_ shape: AttentionShape) -> [PassTensor]
}

/// What a model says of a micro-batch; after a loss with a gradient scale, the gradient of it.
package enum HeadOutputs {
    /// A prediction for every token, the class token's row first, (N, T, V).
    case predictions(UnsafePointer<Float>)
    /// A number for each class, (N, K).
    case logits(UnsafePointer<Float>, classes: Int)
}
