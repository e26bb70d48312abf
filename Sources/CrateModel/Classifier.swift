import Buffers
import Kernels

// N images of a micro-batch, L patches, T = L + 1 tokens, M = N T rows, D channels, K classes.

/// A classifier: patch embedding, the encoder blocks of CRATE, and a norm and a product for one vector of each image.
///
/// The struct holds the places of the parameters, not their values; these live in one flat buffer of `layout`.
/// Source: Yu et al., White-Box Transformers via Sparse Rate Reduction (arXiv 2306.01129).
public struct Classifier: Sendable {
    /// What the classifier computes.
    public let configuration: ClassifierConfiguration
    /// Every trained parameter under its published name.
    public let layout: ParameterLayout

    let embedding: Embedding
    let encoder: [EncoderBlock]
    let head: ClassifierHead
    let prepared: PreparedLayout

    enum Embedding {
        case normalised(NormalisedEmbedding)
        case convolution(PatchEmbedding)
    }

    struct Saved {
        let embedding: NormalisedEmbedding.Saved?  // of the supervised form
        let head: ClassifierHead.Saved

        var logits: UnsafeMutablePointer<Float> { head.logits }

        init(
            _ configuration: ClassifierConfiguration, _ shape: AttentionShape, _ format: OperandFormat, threads: Int,
            in arena: inout Arena
        ) throws {
            let encoder = configuration.encoder
            embedding =
                configuration.form == .supervised
                ? try .init(encoder, rows: shape.images * shape.tokens, format, threads: threads, in: &arena) : nil
            head = try .init(
                images: shape.images, dim: encoder.dim, classes: configuration.classes, format, threads: threads,
                in: &arena)
        }
    }

    /// The classifier of `configuration`.
    public init(_ configuration: ClassifierConfiguration) {
        self.configuration = configuration
        let model = configuration.encoder
        var layout = ParameterLayout()
        var prepared = PreparedLayout()
        let prefix: (Int) -> String
        let initial: (weight: InitialValue, bias: InitialValue)
        switch configuration.form {
        case .supervised:
            embedding = .normalised(NormalisedEmbedding(model, in: &layout, prepared: &prepared))
            prefix = { "transformer.layers.\($0)" }
            initial = InitialValue.linear(inputs: model.dim)
        case .autoencoder:
            embedding = .convolution(
                PatchEmbedding(model, hidesPatches: false, in: &layout, prepared: &prepared))
            prefix = { "blocks.\($0).layers.0" }
            initial = InitialValue.xavier(dim: model.dim)
        }
        encoder = (0..<model.depth).map {
            EncoderBlock(prefix($0), model, initial: initial, in: &layout, prepared: &prepared)
        }
        head = ClassifierHead(configuration, in: &layout, prepared: &prepared)
        self.layout = layout
        self.prepared = prepared
    }

    /// The layer of the parameter at `offset`, for rates that fall from layer to layer: 0 for the embedding, i + 1 for block
    /// i, and one more for the head.
    public func layer(ofParameterAt offset: Int) -> Int {
        offset >= head.norm.weight ? encoder.count + 1 : encoder.count { offset >= $0.offset }
    }

    /// Makes of the parameters what products take. To be called whenever the parameters have changed, before the first
    /// `forward`.
    public func prepare(parameters: UnsafeMutablePointer<Float>, workspace: borrowing Workspace) {
        guard case .convolution(let embedding) = embedding else {
            return workspace.prepare(encoder, nil, parameters: parameters)
        }
        workspace.prepare(encoder, embedding, parameters: parameters)
    }

    /// Encoder and head forward; every block's output and the logits stay in the workspace.
    public func forward(
        _ batch: PatchBatch, parameters: UnsafeMutablePointer<Float>, workspace: borrowing Workspace
    ) {
        workspace.run(batch.images, parameters, gradients: parameters) { pass, memory in
            head.forward(blocks(batch, pass, memory), pass, saved(memory).head)
            pass.finish(.loss)
        }
    }

    /// The encoder alone, and the head's norm over all tokens; every block's state stays in the workspace.
    public func encode(
        _ batch: PatchBatch, parameters: UnsafeMutablePointer<Float>, workspace: borrowing Workspace
    ) {
        workspace.run(batch.images, parameters, gradients: parameters) { pass, memory in
            head.norm.forward(blocks(batch, pass, memory), pass, memory.norm)
        }
    }

    /// The loss of the logits of the last `forward`: that of image n goes to the workspace's `imageLosses[n]`. With
    /// `gradientScale` the logits in the workspace become the gradient. See `crossEntropyLoss`.
    public func loss(_ batch: PatchBatch, gradientScale: Float?, workspace: borrowing Workspace) {
        guard let targets = batch.targets else { preconditionFailure("a classifier's loss without targets") }
        let logits = saved(workspace.activations).logits
        let (team, classes, imageLosses) = (workspace.team, configuration.classes, workspace.losses.pointer)
        team.run { thread in
            let part = team.part(thread, of: batch.images)
            crossEntropyLoss(
                logits: logits + part.lowerBound * classes, targets: targets + part.lowerBound * classes,
                images: part.count, classes: classes, gradientScale: gradientScale,
                imageLosses: imageLosses + part.lowerBound)
        }
        workspace.clock.finish(.loss)
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

    /// Does what `backward` does and completes the gradients; `ready` as in `MaskedAutoencoder.completeBackward`.
    public func completeBackward(
        _ batch: PatchBatch, parameters: UnsafeMutablePointer<Float>, gradients: UnsafeMutablePointer<Float>,
        workspace: borrowing Workspace, ready: (Int) -> Void
    ) {
        workspace.run(batch.images, parameters, gradients: gradients) {
            backward(batch, $0, $1, isLast: true, ready: ready)
        }
    }

    /// Embedding and encoder blocks. Returns the last block's output.
    private func blocks(_ batch: PatchBatch, _ pass: Pass, _ memory: Activations) -> UnsafeMutablePointer<Float> {
        switch embedding {
        case .normalised(let embedding):
            embedding.forward(batch, pass, values: memory.values, embeddingSaved(memory), into: memory.tokens)
        case .convolution(let embedding):
            embedding.forward(
                batch, pass, values: Operand(memory.values, pass.prepared.format), into: memory.tokens)
        }
        pass.finish(.embedding)
        return encoder.forward(memory.tokens, pass, memory.encoder)
    }

    private func backward(
        _ batch: PatchBatch, _ pass: Pass, _ memory: Activations, isLast: Bool, ready: (Int) -> Void
    ) {
        let (d, saved) = (memory.gradient, saved(memory))
        head.backward(pass, saved.head, into: d)
        pass.finish(.loss)
        encoder.backward(d, tokens: memory.tokens, pass, memory.encoder, isLast: isLast) { index in
            if index == encoder.count - 1 { head.norm.collectGradients(pass, saved.head.norm) }
            ready(encoder[index].offset)
        }
        switch embedding {
        case .normalised(let embedding):
            embedding.backward(d, pass, values: memory.values, embeddingSaved(memory))
        case .convolution(let embedding):
            embedding.backward(d, batch, pass, values: Operand(memory.values, pass.prepared.format))
        }
        pass.sync()
        if pass.thread == 0 { collectGradients(pass, memory, isLast: isLast) }
        if pass.thread == 0 && isLast { ready(0) }
        pass.finish(.embedding)
    }

    /// Adds up the norms' gradients of all threads: the embedding's, and where it is not the last time those that `backward`
    /// has not collected block by block.
    private func collectGradients(_ pass: Pass, _ memory: Activations, isLast: Bool) {
        switch embedding {
        case .normalised(let embedding): embedding.collectGradients(pass, embeddingSaved(memory))
        case .convolution(let embedding):
            if isLast { embedding.finishGradient(pass.gradients, scratch: pass.derivation) }
        }
        guard !isLast else { return }
        encoder.collectGradients(pass, memory.encoder)
        head.norm.collectGradients(pass, saved(memory).head.norm)
    }

    private func saved(_ memory: Activations) -> Saved {
        guard let saved = memory.classification else { preconditionFailure("an autoencoder's workspace") }
        return saved
    }

    private func embeddingSaved(_ memory: Activations) -> NormalisedEmbedding.Saved {
        guard let saved = saved(memory).embedding else { preconditionFailure("another form's workspace") }
        return saved
    }
}
