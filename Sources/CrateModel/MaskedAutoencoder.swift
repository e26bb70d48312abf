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
    let prediction: (weight: Int, bias: Int)  // (V, D), (V)

    /// The model of `configuration`.
    public init(_ configuration: ModelConfiguration) {
        self.configuration = configuration
        let (dim, valueCount) = (configuration.dim, configuration.patchValueCount)
        var layout = ParameterLayout()
        embedding = PatchEmbedding(configuration, in: &layout)
        encoder = (0..<configuration.depth).map { EncoderBlock("blocks.\($0)", configuration, in: &layout) }
        norm = NormLayer("norm", dim: dim, epsilon: 1e-6, in: &layout)
        decoder = (0..<configuration.decoderDepth).map {
            DecoderBlock("decoder_blocks.\($0)", configuration, in: &layout)
        }
        decoderNorm = NormLayer("decoder_norm", dim: dim, epsilon: 1e-6, in: &layout)
        let xavier = (6 / Double(dim + valueCount)).squareRoot()
        prediction = (
            layout.append("decoder_pred.weight", [valueCount, dim], initial: .uniform(bound: xavier)),
            layout.append("decoder_pred.bias", [valueCount], initial: .constant(0))
        )
        self.layout = layout
    }

    /// The fixed position table that is added to the tokens, (T, D).
    public var positions: [Float] { embedding.positions }

    /// Encoder and decoder forward; every block's output and the predictions stay in the workspace.
    public func forward(
        _ batch: MaskedBatch, parameters: UnsafeMutablePointer<Float>, workspace: borrowing Workspace
    ) {
        let pass = makePass(batch.images, parameters, gradients: parameters, workspace)
        embedding.forward(batch, pass, workspace.embedding, into: workspace.tokens)
        var z = workspace.tokens
        for (block, saved) in zip(encoder, workspace.encoder) {
            block.forward(z, pass, saved)
            z = saved.output
        }
        norm.forward(z, pass, workspace.norm)
        z = workspace.norm.output
        for (block, saved) in zip(decoder, workspace.decoder) {
            block.forward(z, pass, saved)
            z = saved.output
        }
        decoderNorm.forward(z, pass, workspace.decoderNorm)
        let valueCount = configuration.patchValueCount
        let predicted = workspace.predictions
        multiply(
            pass.tokens(workspace.decoderNorm.output),
            Matrix(parameters + prediction.weight, valueCount, pass.dim).transposed,
            into: Matrix(predicted, pass.rows, valueCount))
        addRow(
            predicted, bias: parameters + prediction.bias, sign: 1, rows: pass.rows, dim: valueCount, into: predicted)
    }

    /// The loss of the predictions of the last `forward`: image n's sum over its hidden patches goes to
    /// `imageLosses[n]`. With `gradientScale` the predictions in the workspace become the gradient.
    /// See `reconstructionLoss`.
    public func loss(
        _ batch: MaskedBatch, gradientScale: Float?, imageLosses: UnsafeMutablePointer<Double>,
        workspace: borrowing Workspace
    ) {
        reconstructionLoss(
            prediction: workspace.predictions, patches: batch.patches, mask: batch.mask, images: batch.images,
            patchCount: configuration.patchCount, valueCount: configuration.patchValueCount,
            normalisesTargets: configuration.normalisesTargets, gradientScale: gradientScale,
            imageLosses: imageLosses)
    }

    /// Adds the gradient of the loss to `gradients`, from the state that `forward` and `loss` left.
    public func backward(
        _ batch: MaskedBatch, parameters: UnsafeMutablePointer<Float>, gradients: UnsafeMutablePointer<Float>,
        workspace: borrowing Workspace
    ) {
        let pass = makePass(batch.images, parameters, gradients: gradients, workspace)
        let (d, scratch) = (workspace.gradient, workspace.scratch)
        predictionBackward(pass, workspace)
        let decoded = workspace.decoder[decoder.count - 1].output
        decoderNorm.backward(scratch.first, x: decoded, pass, workspace.decoderNorm, into: d, isAdding: false)
        for index in decoder.indices.reversed() {
            let z = index == 0 ? workspace.norm.output : workspace.decoder[index - 1].output
            decoder[index].backward(d, z: z, pass, workspace.decoder[index], scratch)
        }
        let encoded = workspace.encoder[encoder.count - 1].output
        norm.backward(d, x: encoded, pass, workspace.norm, into: d, isAdding: false)
        for index in encoder.indices.reversed() {
            let z = index == 0 ? workspace.tokens : workspace.encoder[index - 1].output
            encoder[index].backward(d, z: z, pass, workspace.encoder[index], scratch)
        }
        embedding.backward(d, batch, pass, workspace.embedding)
    }

    /// dW += dP^T x, db += sum dP, and dx = dP W into the first scratch matrix.
    private func predictionBackward(_ pass: Pass, _ workspace: borrowing Workspace) {
        let valueCount = configuration.patchValueCount
        let dPrediction = Matrix(workspace.predictions, pass.rows, valueCount)
        multiply(
            dPrediction.transposed, pass.tokens(workspace.decoderNorm.output),
            into: Matrix(pass.gradients + prediction.weight, valueCount, pass.dim), isAdding: true)
        addColumnSums(
            workspace.predictions, sign: 1, rows: pass.rows, dim: valueCount, to: pass.gradients + prediction.bias)
        multiply(
            dPrediction, Matrix(pass.parameters + prediction.weight, valueCount, pass.dim),
            into: pass.tokens(workspace.scratch.first))
    }

    private func makePass(
        _ images: Int, _ parameters: UnsafeMutablePointer<Float>, gradients: UnsafeMutablePointer<Float>,
        _ workspace: borrowing Workspace
    ) -> Pass {
        precondition(images > 0 && images <= workspace.shape.images, "a batch larger than its workspace")
        var shape = workspace.shape
        shape.images = images
        return Pass(shape: shape, parameters: parameters, gradients: gradients)
    }
}
