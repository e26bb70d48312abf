import Base
import Kernels

// N images of a micro-batch, L patches, T = L + 1 tokens, M = N T rows, D channels, K classes.

/// A classifier: patch embedding, the encoder blocks of CRATE, and a norm and a product for one vector of each image.
///
/// The struct holds the places of the parameters, not their values; these live in one flat buffer of `layout`.
/// Source: Yu et al., White-Box Transformers via Sparse Rate Reduction (arXiv 2306.01129).
package struct Classifier: Sendable {
    /// What the classifier computes.
    package let configuration: ClassifierConfiguration
    /// Every trained parameter under its published name.
    package let layout: ParameterLayout

    let embedding: ClassifierEmbedding
    let encoder: [EncoderBlock]
    let head: ClassifierHead
    let prepared: PreparedLayout

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
    package init(_ configuration: ClassifierConfiguration) {
        self.configuration = configuration
        let model = configuration.encoder
        var layout = ParameterLayout()
        var prepared = PreparedLayout()
        embedding = ClassifierEmbedding(configuration, in: &layout, prepared: &prepared)
        let prefix: (Int) -> String
        let initial: (weight: InitialValue, bias: InitialValue)
        switch configuration.form {
        case .supervised:
            prefix = { "transformer.layers.\($0)" }
            initial = InitialValue.linear(inputs: model.dim)
        case .autoencoder:
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
    package func layer(ofParameterAt offset: Int) -> Int {
        offset >= head.norm.weight ? encoder.count + 1 : encoder.count { offset >= $0.offset }
    }

    /// The encoder, and the head's norm over all tokens.
    func encode(_ batch: PatchBatch, _ pass: Pass, _ memory: Activations) {
        head.norm.forward(blocks(batch, pass, memory), pass, memory.norm)
    }

    func forward(_ batch: PatchBatch, _ pass: Pass, _ memory: Activations) {
        head.forward(blocks(batch, pass, memory), pass, saved(memory).head)
        pass.finish(.loss)
    }

    /// Embedding and encoder blocks. Returns the last block's output.
    private func blocks(_ batch: PatchBatch, _ pass: Pass, _ memory: Activations) -> UnsafeMutablePointer<Float> {
        embedding.forward(batch, pass, memory)
        pass.finish(.embedding)
        return encoder.forward(memory.tokens, pass, memory.encoder)
    }

    /// The loss of the logits of `images`; see `Model.loss`.
    func loss(
        _ batch: PatchBatch, of images: Range<Int>, _ memory: Activations, gradientScale: Float?,
        imageLosses: UnsafeMutablePointer<Double>
    ) {
        guard let targets = batch.targets else { preconditionFailure("a classifier's loss without targets") }
        let (first, classes) = (images.lowerBound, configuration.classes)
        crossEntropyLoss(
            logits: saved(memory).logits + first * classes, targets: targets + first * classes, images: images.count,
            classes: classes, gradientScale: gradientScale, imageLosses: imageLosses + first)
    }

    /// From the state that `forward` and `loss` left; see `Model.completeBackward`.
    func backward(
        _ batch: PatchBatch, _ pass: Pass, _ memory: Activations, isLast: Bool, ready: (Int) -> Void
    ) {
        let (d, saved) = (memory.gradient, saved(memory))
        head.backward(pass, saved.head, into: d)
        pass.finish(.loss)
        encoder.backward(d, tokens: memory.tokens, pass, memory.encoder, isLast: isLast) { index in
            if index == encoder.count - 1 { head.norm.collectGradients(pass, saved.head.norm) }
            ready(encoder[index].offset)
        }
        embedding.backward(d, batch, pass, memory)
        pass.sync()
        if pass.thread == 0 { collectGradients(pass, memory, isLast: isLast) }
        if pass.thread == 0 && isLast { ready(0) }
        pass.finish(.embedding)
    }

    /// Adds up the norms' gradients of all threads: the embedding's, and where it is not the last time those that `backward`
    /// has not collected block by block.
    private func collectGradients(_ pass: Pass, _ memory: Activations, isLast: Bool) {
        embedding.collectGradients(pass, memory, isLast: isLast)
        guard !isLast else { return }
        encoder.collectGradients(pass, memory.encoder)
        head.norm.collectGradients(pass, saved(memory).head.norm)
    }

    private func saved(_ memory: Activations) -> Saved {
        guard let saved = memory.classification else { preconditionFailure("an autoencoder's workspace") }
        return saved
    }
}
