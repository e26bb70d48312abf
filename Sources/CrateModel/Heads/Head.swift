import Kernels

/// The layers after the encoder: the model's outputs and their loss.
protocol Head {
    /// Offset of its first parameter in the flat buffers; its parameters extend to the end.
    var offset: Int { get }
    /// The norm of the encoder's output over all of its tokens, (N, T, D), valid after `normalise`; after `forward` only for
    /// some heads.
    var normed: UnsafeMutablePointer<Float> { get }
    var blocks: [Block] { get }
    /// Floating-point operations of its own matrix products for one training image, forward and backward, without its
    /// blocks.
    var operations: Double { get }
    var outputs: HeadOutputs { get }

    /// Computes only the norm of the encoder's output z (N, T, D), into `normed`.
    func normalise(_ z: UnsafeMutablePointer<Float>, _ pass: Pass)

    /// Computes the outputs from the encoder's output z (N, T, D).
    func forward(_ z: UnsafeMutablePointer<Float>, _ batch: PatchBatch, _ pass: Pass)

    /// Writes the losses of `images` to `imageLosses`; with `gradientScale` the outputs are overwritten by their
    /// gradients.
    func loss(
        _ batch: PatchBatch, of images: Range<Int>, gradientScale: Float?, imageLosses: UnsafeMutablePointer<Double>)

    /// Writes the gradient of z to d, after `forward` and `loss`, and adds those of the parameters. In the last pass of
    /// a step (`isLast`) it completes them, and the first thread calls `ready` with the offset of each block whose
    /// gradients are complete.
    func backward(
        into d: UnsafeMutablePointer<Float>, z: UnsafeMutablePointer<Float>, _ batch: PatchBatch, _ pass: Pass,
        isLast: Bool, ready: (Int) -> Void)

    /// See `NormLayer.collectGradients`.
    func collectGradients(_ pass: Pass)

    /// The outputs of the last forward pass, in order of computation.
    func tensors(_ shapes: StageShapes, _ parameters: UnsafePointer<Float>) -> [PassTensor]
}

/// Outputs for a micro-batch; after a loss with a gradient scale, their gradients.
package enum HeadOutputs {
    /// One per token, the class token's row first, (N, T, V).
    case predictions(UnsafePointer<Float>)
    /// (N, K).
    case logits(UnsafePointer<Float>, classes: Int)
}
