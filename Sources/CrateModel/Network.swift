/// A model's layers: embedding, encoder blocks, head. This is where a model is composed.
struct Network {
    let embedding: any Embedding
    let encoder: [any Block]
    let head: any Head
    /// The running gradient of a block's output, (M, D).
    private let gradient: UnsafeMutablePointer<Float>

    /// The masked autoencoder of `configuration`, or the classifier where that is given.
    ///
    /// The order in which layers are made is the order of their parameters in the flat buffers.
    init(
        _ configuration: ModelConfiguration, _ classifier: ClassifierConfiguration?, in builder: inout LayerBuilder
    ) throws {
        let isSupervised = classifier?.form == .supervised
        embedding =
            isSupervised
            ? try NormalisedEmbedding(configuration, in: &builder)
            : try PatchEmbedding(configuration, hidesPatches: classifier == nil, in: &builder)
        let initial =
            isSupervised ? InitialValue.linear(inputs: configuration.dim) : InitialValue.xavier(dim: configuration.dim)
        var encoder: [any Block] = []
        for index in 0..<configuration.depth {
            let name = isSupervised ? "transformer.layers.\(index)" : "blocks.\(index).layers.0"
            encoder.append(try EncoderBlock(name, lambda: configuration.lambda, initial: initial, in: &builder))
        }
        self.encoder = encoder
        head =
            try classifier.map { try ClassifierHead($0, in: &builder) } ?? DecoderHead(configuration, in: &builder)
        gradient = try builder.floats(builder.rows * configuration.dim)
    }

    /// All blocks, those of the encoder first.
    var blocks: [any Block] { encoder + head.blocks }

    /// The encoder's output z, (M, D).
    private var encoded: UnsafeMutablePointer<Float> { input(ofBlock: encoder.count) }

    /// What encoder block `index` takes, (M, D).
    func input(ofBlock index: Int) -> UnsafeMutablePointer<Float> {
        index == 0 ? embedding.tokens : encoder[index - 1].output
    }

    /// Embedding and encoder.
    func encode(_ batch: PatchBatch, _ pass: Pass) {
        embedding.forward(batch, pass)
        pass.lap(.embedding)
        for index in encoder.indices { encoder[index].forward(input(ofBlock: index), pass) }
    }

    /// Encoder, and the norm of its output alone.
    func normalise(_ batch: PatchBatch, _ pass: Pass) {
        encode(batch, pass)
        head.normalise(encoded, pass)
    }

    /// Encoder and head.
    func forward(_ batch: PatchBatch, _ pass: Pass) {
        encode(batch, pass)
        head.forward(encoded, pass)
    }

    /// From the state that `forward` and the head's `loss` left; see `Replica.completeBackward`.
    func backward(_ batch: PatchBatch, _ pass: Pass, isLast: Bool, ready: (Int) -> Void) {
        let d = gradient
        head.backward(into: d, z: encoded, pass, isLast: isLast, ready: ready)
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

    /// What is left when all threads are through: of a block's gradients only where it is not the last time.
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
