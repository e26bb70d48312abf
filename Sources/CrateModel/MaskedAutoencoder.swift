import Buffers
import Kernels

// N images of a micro-batch, L patches, T = L + 1 tokens, M = N T rows, D channels, V values a patch.

/// CRATE-MAE: patch embedding, encoder blocks, norm, decoder blocks, decoder norm, prediction of every patch.
///
/// The struct holds the places of the parameters, not their values; these live in one flat buffer of `layout`.
/// Source: Pai et al., Masked Completion via Structured Diffusion with White-Box Transformers (arXiv 2404.02446).
public struct MaskedAutoencoder: Sendable {
    /// What the model computes.
    public let configuration: ModelConfiguration
    /// Every trained parameter under its published name.
    public let layout: ParameterLayout

    let embedding: PatchEmbedding
    let encoder: [EncoderBlock]
    let norm: NormLayer
    let decoder: [DecoderBlock]
    let decoderNorm: NormLayer
    let prediction: (weight: Weight, bias: Int)  // (V, D), (V)
    let prepared: PreparedLayout

    /// The model of `configuration`.
    public init(_ configuration: ModelConfiguration) {
        self.configuration = configuration
        let (dim, valueCount) = (configuration.dim, configuration.patchValueCount)
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
        decoderNorm = NormLayer("decoder_norm", dim: dim, epsilon: 1e-6, in: &layout)
        let xavier = (6 / Double(dim + valueCount)).squareRoot()
        prediction = (
            prepared.append(
                layout.append("decoder_pred.weight", [valueCount, dim], initial: .uniform(bound: xavier)), valueCount,
                dim),
            layout.append("decoder_pred.bias", [valueCount], initial: .constant(0))
        )
        self.layout = layout
        self.prepared = prepared
    }

    /// The fixed position table that is added to the tokens, (T, D).
    public var positions: [Float] { embedding.positions }

    /// Makes of the parameters what products take. To be called whenever the parameters have changed, before the first
    /// `forward`.
    public func prepare(parameters: UnsafeMutablePointer<Float>, workspace: borrowing Workspace) {
        workspace.prepare(encoder, embedding, parameters: parameters)
    }

    /// Encoder and decoder forward; every block's output and the predictions stay in the workspace.
    public func forward(
        _ batch: PatchBatch, parameters: UnsafeMutablePointer<Float>, workspace: borrowing Workspace
    ) {
        workspace.run(batch.images, parameters, gradients: parameters) { forward(batch, $0, $1) }
    }

    /// The encoder alone, its last norm included; every block's state stays in the workspace.
    public func encode(
        _ batch: PatchBatch, parameters: UnsafeMutablePointer<Float>, workspace: borrowing Workspace
    ) {
        workspace.run(batch.images, parameters, gradients: parameters) { encode(batch, $0, $1) }
    }

    /// The loss of the predictions of the last `forward`: image n's sum over its hidden patches goes to the workspace's
    /// `imageLosses[n]`. With `gradientScale` the predictions in the workspace become the gradient.
    /// See `reconstructionLoss`.
    public func loss(_ batch: PatchBatch, gradientScale: Float?, workspace: borrowing Workspace) {
        guard let mask = batch.mask else { preconditionFailure("a loss of hidden patches without a mask") }
        let (memory, team, clock) = (workspace.activations, workspace.team, workspace.clock)
        let imageLosses = workspace.losses.pointer
        defer { clock.finish(.loss) }
        let (patchCount, valueCount) = (configuration.patchCount, configuration.patchValueCount)
        team.run { thread in
            let part = team.part(thread, of: batch.images)
            let first = part.lowerBound
            reconstructionLoss(
                prediction: memory.values + first * configuration.tokenCount * valueCount,
                patches: batch.patches + first * patchCount * valueCount, mask: mask + first * patchCount,
                images: part.count, patchCount: patchCount, valueCount: valueCount,
                normalisesTargets: configuration.normalisesTargets, gradientScale: gradientScale,
                imageLosses: imageLosses + first)
        }
    }

    /// Adds the gradient of the loss to `gradients`, from the state that `forward` and `loss` left. What is not the last
    /// micro-batch of a sum.
    public func backward(
        _ batch: PatchBatch, parameters: UnsafeMutablePointer<Float>, gradients: UnsafeMutablePointer<Float>,
        workspace: borrowing Workspace
    ) {
        workspace.run(batch.images, parameters, gradients: gradients) {
            backward(batch, $0, $1, isLast: false, ready: { _ in })
        }
    }

    /// Does what `backward` does and completes the gradients. When those from a position of the flat buffer to its end
    /// are complete, calls `ready` with the position: one call a block, falling to 0, on the calling thread.
    public func completeBackward(
        _ batch: PatchBatch, parameters: UnsafeMutablePointer<Float>, gradients: UnsafeMutablePointer<Float>,
        workspace: borrowing Workspace, ready: (Int) -> Void
    ) {
        workspace.run(batch.images, parameters, gradients: gradients) {
            backward(batch, $0, $1, isLast: true, ready: ready)
        }
    }

    private func encode(_ batch: PatchBatch, _ pass: Pass, _ memory: Activations) {
        embedding.forward(batch, pass, values: patchValues(pass, memory), into: memory.tokens)
        pass.finish(.embedding)
        norm.forward(encoder.forward(memory.tokens, pass, memory.encoder), pass, memory.norm)
    }

    private func forward(_ batch: PatchBatch, _ pass: Pass, _ memory: Activations) {
        encode(batch, pass, memory)
        var z = memory.normed
        for (block, saved) in zip(decoder, memory.decoder) {
            block.forward(z, pass, saved)
            z = saved.output
        }
        pass.finish(.decoder)
        decoderNorm.forward(z, pass, memory.decoderNorm)
        // The embedding gathered its patches where the predictions go.
        pass.sync()
        let valueCount = configuration.patchValueCount
        multiply(
            pass.tokens(memory.decoderNorm.output), pass.matrix(prediction.weight).transposed,
            into: pass.tokens(memory.values, width: valueCount))
        let predicted = pass.own(memory.values, width: valueCount)
        addRow(
            predicted, bias: pass.parameters + prediction.bias, sign: 1, rows: pass.rows, dim: valueCount,
            into: predicted)
        pass.finish(.loss)
    }

    private func backward(
        _ batch: PatchBatch, _ pass: Pass, _ memory: Activations, isLast: Bool, ready: (Int) -> Void
    ) {
        let d = memory.gradient
        predictionBackward(pass, memory)
        let decoded = memory.decoder[decoder.count - 1].output
        decoderNorm.backward(pass.scratch.product, x: decoded, pass, memory.decoderNorm, into: d, isAdding: false)
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

    /// dW += dP^T x, db += sum dP, and dx = dP W into the first scratch matrix.
    private func predictionBackward(_ pass: Pass, _ memory: Activations) {
        let valueCount = configuration.patchValueCount
        let upstream = pass.factor(memory.values, in: pass.scratch.predictionGradient, width: valueCount)
        pass.sync()
        pass.addGradient(of: prediction.weight, upstream, memory.decoderNorm.output)
        pass.addBiasGradient(prediction.bias, memory.values, width: valueCount)
        multiply(
            pass.tokens(upstream, width: valueCount), pass.matrix(prediction.weight),
            into: pass.tokens(pass.scratch.product))
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
        decoderNorm.collectGradients(pass, memory.decoderNorm)
    }

    /// Completes the gradients of decoder block `index`, and behind the last block those of the decoder's end.
    private func completeDecoder(_ index: Int, _ pass: Pass, _ memory: Activations, _ ready: (Int) -> Void) {
        pass.sync()
        guard pass.thread == 0 else { return }
        decoder[index].collectGradients(pass, memory.decoder[index])
        if index == decoder.count - 1 { decoderNorm.collectGradients(pass, memory.decoderNorm) }
        ready(decoder[index].norm.weight)
    }

    private func completeEmbedding(_ pass: Pass, _ ready: (Int) -> Void) {
        pass.sync()
        guard pass.thread == 0 else { return }
        embedding.finishGradient(pass.gradients, scratch: pass.derivation)
        ready(0)
    }
}
