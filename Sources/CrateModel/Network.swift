/// A model's layers: embedding, encoder blocks, head. Models are composed here.
struct Network {
    let embedding: any Embedding
    let encoder: [Block]
    let head: any Head
    /// The running gradient of a block's output, (M, D).
    private let gradient: UnsafeMutablePointer<Float>

    /// The classifier if one is given, else the masked autoencoder of `configuration`.
    ///
    /// Layers are created in the order of their parameters in the flat buffers.
    init(
        _ configuration: ModelConfiguration, _ classifier: ClassifierConfiguration?, in builder: inout LayerBuilder
    ) throws {
        let isSupervised = classifier?.form == .supervised
        let architecture = configuration.architecture
        switch architecture {
        case .crate where isSupervised, .tost where isSupervised:
            embedding = try NormalisedEmbedding(configuration, in: &builder)
        default:
            embedding = try PatchEmbedding(
                configuration, .init(architecture, classifier), in: &builder)
        }
        encoder = try (0..<configuration.depth).map { index in
            builder.enterBlock(index)
            return try architecture.encoderBlock(
                architecture.blockName(index, isSupervised: isSupervised), configuration, isSupervised: isSupervised,
                in: &builder)
        }
        head =
            try classifier.map { try ClassifierHead($0, in: &builder) } ?? DecoderHead(configuration, in: &builder)
        let shape = builder.shapes.encoder
        gradient = try builder.floats(shape.images * shape.tokens * shape.dim)
    }

    /// Encoder blocks, then the head's blocks.
    var blocks: [Block] { encoder + head.blocks }

    /// The encoder's output z, (M, D).
    private var encoded: UnsafeMutablePointer<Float> { input(ofBlock: encoder.count) }

    /// The input of encoder block `index`, (M, D).
    func input(ofBlock index: Int) -> UnsafeMutablePointer<Float> {
        index == 0 ? embedding.tokens : encoder[index - 1].output
    }

    func encode(_ batch: PatchBatch, _ pass: Pass) {
        embedding.forward(batch, pass)
        pass.lap(.embedding)
        for index in encoder.indices {
            pass.forEachImage { encoder[index].forward(input(ofBlock: index), $0) }
        }
    }

    /// Runs the encoder and the norm after it.
    func normalise(_ batch: PatchBatch, _ pass: Pass) {
        encode(batch, pass)
        head.normalise(encoded, pass)
    }

    func forward(_ batch: PatchBatch, _ pass: Pass) {
        encode(batch, pass)
        head.forward(encoded, batch, pass)
    }

    /// Continues from the state after `forward` and the head's `loss`; see `Replica.completeBackward`.
    func backward(_ batch: PatchBatch, _ pass: Pass, isLast: Bool, ready: (Int) -> Void) {
        let d = gradient
        head.backward(into: d, z: encoded, batch, pass, isLast: isLast, ready: ready)
        for index in encoder.indices.reversed() {
            encoder[index].backward(d, z: input(ofBlock: index), pass)
            guard isLast else { continue }
            encoder[index].completeGradients(pass)
            if pass.thread == 0 { ready(encoder[index].offset) }
        }
        embedding.backward(d, batch, pass)
        pass.sync()
        if pass.thread == 0 { finishBackward(pass, isLast: isLast, ready: ready) }
        pass.lap(.embedding)
    }

    /// Runs on one thread after all threads are done. In the last pass the blocks have already completed their
    /// gradients.
    private func finishBackward(_ pass: Pass, isLast: Bool, ready: (Int) -> Void) {
        embedding.collectGradients(pass)
        if isLast {
            embedding.completeGradients(pass)
            ready(0)
        } else {
            for block in encoder { block.collectGradients(pass) }
            head.collectGradients(pass)
        }
    }
}
