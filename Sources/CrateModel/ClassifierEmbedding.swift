import Kernels

/// Patches to tokens, in the two forms that a classifier has.
enum ClassifierEmbedding: Sendable {
    case normalised(NormalisedEmbedding)
    case convolution(PatchEmbedding)

    init(
        _ configuration: ClassifierConfiguration, in layout: inout ParameterLayout, prepared: inout PreparedLayout
    ) {
        switch configuration.form {
        case .supervised:
            self = .normalised(NormalisedEmbedding(configuration.encoder, in: &layout, prepared: &prepared))
        case .autoencoder:
            self = .convolution(
                PatchEmbedding(configuration.encoder, hidesPatches: false, in: &layout, prepared: &prepared))
        }
    }

    /// The autoencoder's, where it is that.
    var convolution: PatchEmbedding? {
        if case .convolution(let embedding) = self { embedding } else { nil }
    }

    /// Writes the tokens, and what embeds them to `memory.values`.
    func forward(_ batch: PatchBatch, _ pass: Pass, _ memory: Activations) {
        switch self {
        case .normalised(let embedding):
            embedding.forward(batch, pass, values: memory.values, saved(memory), into: memory.tokens)
        case .convolution(let embedding):
            embedding.forward(
                batch, pass, values: Operand(memory.values, pass.prepared.format), into: memory.tokens)
        }
    }

    /// From d, the gradient of the tokens, those of all parameters.
    func backward(_ d: UnsafeMutablePointer<Float>, _ batch: PatchBatch, _ pass: Pass, _ memory: Activations) {
        switch self {
        case .normalised(let embedding):
            embedding.backward(d, pass, values: memory.values, saved(memory))
        case .convolution(let embedding):
            embedding.backward(d, batch, pass, values: Operand(memory.values, pass.prepared.format))
        }
    }

    /// Adds up what the threads have left of the gradients; `isLast` is the last time of a sum.
    func collectGradients(_ pass: Pass, _ memory: Activations, isLast: Bool) {
        switch self {
        case .normalised(let embedding): embedding.collectGradients(pass, saved(memory))
        case .convolution(let embedding):
            if isLast { embedding.finishGradient(pass.gradients, scratch: pass.derivation) }
        }
    }

    private func saved(_ memory: Activations) -> NormalisedEmbedding.Saved {
        guard let saved = memory.classification?.embedding else { preconditionFailure("another form's workspace") }
        return saved
    }
}
