import Kernels

// N images of a micro-batch, L patches, T = L + 1 tokens, M = N T rows, D channels, V values a patch.

/// CRATE-MAE: patch embedding, encoder blocks, norm, decoder blocks, decoder norm, prediction of every patch.
///
/// The struct holds the places of the parameters, not their values; these live in one flat buffer of `layout`.
/// Source: Pai et al., Masked Completion via Structured Diffusion with White-Box Transformers (arXiv 2404.02446).
package struct MaskedAutoencoder: Sendable {
    /// What the model computes.
    package let configuration: ModelConfiguration
    /// Every trained parameter under its published name.
    package let layout: ParameterLayout

    let embedding: PatchEmbedding
    let encoder: [EncoderBlock]
    let norm: NormLayer
    let decoder: [DecoderBlock]
    let head: PredictionHead
    let prepared: PreparedLayout

    /// The model of `configuration`.
    package init(_ configuration: ModelConfiguration) {
        self.configuration = configuration
        let dim = configuration.dim
        var layout = ParameterLayout()
        var prepared = PreparedLayout()
        embedding = PatchEmbedding(configuration, hidesPatches: true, in: &layout, prepared: &prepared)
        encoder = (0..<configuration.depth).map {
            EncoderBlock(
                "blocks.\($0).layers.0", configuration, initial: InitialValue.xavier(dim: dim), in: &layout,
                prepared: &prepared)
        }
        norm = NormLayer("norm", dim: dim, epsilon: 1e-6, in: &layout)
        decoder = (0..<configuration.decoderDepth).map {
            DecoderBlock("decoder_blocks.\($0)", configuration, in: &layout, prepared: &prepared)
        }
        head = PredictionHead(configuration, in: &layout, prepared: &prepared)
        self.layout = layout
        self.prepared = prepared
    }

    /// The fixed position table that is added to the tokens, (T, D).
    package var positions: [Float] { embedding.positions }

    /// The encoder alone, its last norm included.
    func encode(_ batch: PatchBatch, _ pass: Pass, _ memory: Activations) {
        embedding.forward(batch, pass, values: patchValues(pass, memory), into: memory.tokens)
        pass.finish(.embedding)
        norm.forward(encoder.forward(memory.tokens, pass, memory.encoder), pass, memory.norm)
    }

    func forward(_ batch: PatchBatch, _ pass: Pass, _ memory: Activations) {
        encode(batch, pass, memory)
        var z = memory.normed
        for (block, saved) in zip(decoder, memory.decoder) {
            block.forward(z, pass, saved)
            z = saved.output
        }
        pass.finish(.decoder)
        head.forward(z, pass, memory.decoderNorm, into: memory.values)
        pass.finish(.loss)
    }

    /// The loss of the predictions of `images`, each image's sum over its hidden patches; see `Model.loss`.
    func loss(
        _ batch: PatchBatch, of images: Range<Int>, _ memory: Activations, gradientScale: Float?,
        imageLosses: UnsafeMutablePointer<Double>
    ) {
        guard let mask = batch.mask else { preconditionFailure("a loss of hidden patches without a mask") }
        let (patchCount, valueCount) = (configuration.patchCount, configuration.patchValueCount)
        let first = images.lowerBound
        reconstructionLoss(
            prediction: memory.values + first * configuration.tokenCount * valueCount,
            patches: batch.patches + first * patchCount * valueCount, mask: mask + first * patchCount,
            images: images.count, patchCount: patchCount, valueCount: valueCount,
            normalisesTargets: configuration.normalisesTargets, gradientScale: gradientScale,
            imageLosses: imageLosses + first)
    }

    /// From the state that `forward` and `loss` left; see `Model.completeBackward`.
    func backward(
        _ batch: PatchBatch, _ pass: Pass, _ memory: Activations, isLast: Bool, ready: (Int) -> Void
    ) {
        let d = memory.gradient
        let decoded = memory.decoder[decoder.count - 1].output
        head.backward(memory.values, z: decoded, pass, memory.decoderNorm, into: d)
        pass.finish(.loss)
        for index in decoder.indices.reversed() {
            let z = index == 0 ? memory.normed : memory.decoder[index - 1].output
            decoder[index].backward(d, z: z, pass, memory.decoder[index])
            if isLast { completeDecoder(index, pass, memory, ready) }
        }
        let encoded = memory.encoder[encoder.count - 1].output
        norm.backward(Operand(d), x: encoded, pass, memory.norm, into: d, isAdding: false)
        pass.finish(.decoder)
        encoder.backward(d, tokens: memory.tokens, pass, memory.encoder, isLast: isLast) { index in
            if index == encoder.count - 1 { norm.collectGradients(pass, memory.norm) }
            ready(encoder[index].offset)
        }
        embedding.backward(d, batch, pass, values: patchValues(pass, memory))
        if isLast {
            completeEmbedding(pass, ready)
        } else if pass.thread == 0 {
            collectGradients(pass, memory)
        }
        pass.finish(.embedding)
    }

    /// Memory for the visible patches: the embedding runs before the predictions exist and after their gradient is used up.
    private func patchValues(_ pass: Pass, _ memory: Activations) -> Operand {
        Operand(memory.values, pass.prepared.format)
    }

    /// Adds up the norms' gradients of all threads. The embedding's `sync` was after the last norm, so they are there.
    private func collectGradients(_ pass: Pass, _ memory: Activations) {
        encoder.collectGradients(pass, memory.encoder)
        for (block, saved) in zip(decoder, memory.decoder) { block.collectGradients(pass, saved) }
        norm.collectGradients(pass, memory.norm)
        head.norm.collectGradients(pass, memory.decoderNorm)
    }

    /// Completes the gradients of decoder block `index`, and behind the last block those of the decoder's end.
    private func completeDecoder(_ index: Int, _ pass: Pass, _ memory: Activations, _ ready: (Int) -> Void) {
        pass.sync()
        guard pass.thread == 0 else { return }
        decoder[index].collectGradients(pass, memory.decoder[index])
        if index == decoder.count - 1 { head.norm.collectGradients(pass, memory.decoderNorm) }
        ready(decoder[index].norm.weight)
    }

    private func completeEmbedding(_ pass: Pass, _ ready: (Int) -> Void) {
        pass.sync()
        guard pass.thread == 0 else { return }
        embedding.finishGradient(pass.gradients, scratch: pass.derivation)
        ready(0)
    }
}
