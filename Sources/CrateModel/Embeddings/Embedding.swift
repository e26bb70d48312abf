/// Patches to tokens, (N, L, V) -> (N, T, D), with the offsets of its parameters, which come first in the flat buffers,
/// and the memory of its passes.
protocol Embedding {
    /// z, the result of `forward`, (N, T, D).
    var tokens: UnsafeMutablePointer<Float> { get }

    /// T of each image of `batch`.
    func tokenCount(_ batch: PatchBatch) -> Int

    func forward(_ batch: PatchBatch, _ pass: Pass)

    /// Adds the gradients of the parameters given dz (N, T, D), which may be overwritten.
    func backward(_ dz: UnsafeMutablePointer<Float>, _ batch: PatchBatch, _ pass: Pass)

    /// Packs the weights derived from parameters. Called by one thread.
    func prepare(_ pass: Pass)

    /// See `NormLayer.collectGradients`.
    func collectGradients(_ pass: Pass)

    /// Completes the gradients after the last micro-batch, on one thread once all are done with the backward pass.
    func completeGradients(_ pass: Pass)
}
