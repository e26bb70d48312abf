/// Patches to tokens, (N, L, V) -> (N, T, D), with the places of its parameters, which begin the flat buffers, and the memory of
/// its passes.
protocol Embedding {
    /// z, what `forward` leaves, (N, T, D).
    var tokens: UnsafeMutablePointer<Float> { get }

    /// Leaves the tokens of a batch in `tokens`.
    func forward(_ batch: PatchBatch, _ pass: Pass)

    /// Adds the gradients of the parameters from dz (N, T, D), which may be overwritten.
    func backward(_ dz: UnsafeMutablePointer<Float>, _ batch: PatchBatch, _ pass: Pass)

    /// Writes weights that are derived from parameters into `prepared`. `scratch`: V floats.
    func prepare(
        _ parameters: UnsafePointer<Float>, into prepared: PreparedWeights, scratch: UnsafeMutablePointer<Float>)

    /// See `NormLayer.collectGradients`.
    func collectGradients(_ pass: Pass)

    /// Completes the gradients after the last micro-batch. For one thread, when all have done the backward pass.
    func completeGradients(_ pass: Pass)
}
