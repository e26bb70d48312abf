import Base
import Kernels

// N images of a micro-batch, L patches, T = L + 1 tokens, M = N T rows, D channels, V values a patch.

/// What a forward pass leaves for the backward pass.
struct Activations {
    let tokens: UnsafeMutablePointer<Float>  // z before the first block, (M, D)
    let encoder: [EncoderBlock.Saved]
    let norm: NormLayer.Saved
    let decoder: [DecoderBlock.Saved]
    let decoderNorm: NormLayer.Saved
    let gradient: UnsafeMutablePointer<Float>  // the running gradient of a block's output, (M, D)
    /// Patches that are embedded, and later an autoencoder's predictions, (M, V).
    let values: UnsafeMutablePointer<Float>
    /// What a classifier has beside its encoder.
    let classification: Classifier.Saved?

    /// The encoder's output through the last norm; it goes from the encoder into the decoder, (M, D).
    let normed: UnsafeMutablePointer<Float>

    init(
        _ model: Model, _ shape: AttentionShape, _ format: OperandFormat, threads: Int, in arena: inout Arena
    ) throws {
        let configuration = model.configuration
        let (rows, dim) = (shape.images * shape.tokens, configuration.dim)
        tokens = try arena.floats(rows * dim)
        var encoder: [EncoderBlock.Saved] = []
        for _ in 0..<configuration.depth { encoder.append(try .init(shape, format, threads: threads, in: &arena)) }
        self.encoder = encoder
        // Goes into the decoder's first norm, not into a product.
        normed = try arena.floats(rows * dim)
        norm = try .init(rows: rows, dim: dim, threads: threads, output: Operand(normed), in: &arena)
        var decoder: [DecoderBlock.Saved] = []
        for _ in 0..<configuration.decoderDepth {
            decoder.append(try .init(shape, format, threads: threads, in: &arena))
        }
        self.decoder = decoder
        decoderNorm = try .init(
            rows: configuration.decoderDepth > 0 ? rows : 0, dim: dim, format, threads: threads, in: &arena)
        gradient = try arena.floats(rows * dim)
        values = try arena.floats(rows * configuration.patchValueCount)
        classification = try model.classifier.map {
            try .init($0.configuration, shape, format, threads: threads, in: &arena)
        }
    }
}

/// All memory of a forward and backward pass over a micro-batch, allocated once, and the threads that run it.
package struct Workspace: ~Copyable {
    /// The precision of the products.
    package let precision: Precision
    let shape: AttentionShape
    let activations: Activations
    let scratch: Scratch
    let prepared: PreparedWeights
    let derivation: UnsafeMutablePointer<Float>  // scratch of a thread that derives weights, (threads, D, D) or larger
    let derivationCount: Int
    /// The threads of the passes.
    package let team: ThreadTeam
    /// Tells apart where the time of a step goes; the passes name their parts, the caller the others.
    package let clock: StepClock
    private let arena: Arena
    private let clockState: OwnedBuffer<StepClock.State>
    let losses: OwnedBuffer<Double>

    /// Images of a micro-batch beyond which nothing is gained: 8, or one for each thread where these are more.
    package static func usefulImages(threads: Int) -> Int { max(8, threads) }

    /// Memory for micro-batches of up to `images` images of `model`. Throws `Failure` when it is not to be had.
    package init(_ model: Model, images: Int, precision: Precision, team: ThreadTeam) throws {
        var arena = Arena()
        let memory = try PassMemory(model, images: images, precision.format, threads: team.count, in: &arena)
        let clockState = try OwnedBuffer<StepClock.State>(count: 1)
        let losses = try OwnedBuffer<Double>(count: images)
        self.precision = precision
        shape = memory.shape
        activations = memory.activations
        scratch = memory.scratch
        prepared = memory.prepared
        derivation = memory.derivation
        derivationCount = memory.derivationCount
        self.team = team
        clock = StepClock(clockState.pointer)
        self.arena = arena
        self.clockState = clockState
        self.losses = losses
    }

    /// Bytes that passes work on: activations, scratch and prepared weights.
    package var byteCount: Int { arena.byteCount }

    /// The most images of a micro-batch.
    package var capacity: Int { shape.images }

    /// Each image's loss after `Model.loss`, (N): an autoencoder's is the sum over the hidden patches.
    package var imageLosses: UnsafeMutableBufferPointer<Double> { losses.elements }

    /// What the model predicts for every token, the class token's row first, (N, T, V). After
    /// `Model.loss` with a gradient scale: the gradient of it.
    package var predictions: UnsafePointer<Float> { UnsafePointer(activations.values) }

    /// What a classifier says of each image, (N, K). After `Model.loss` with a gradient scale: the gradient of it.
    package var logits: UnsafePointer<Float> {
        guard let saved = activations.classification else { preconditionFailure("logits of an autoencoder") }
        return UnsafePointer(saved.logits)
    }

    /// The output of encoder block `index` after the last forward pass, (N, T, D).
    package func encoderOutput(_ index: Int) -> UnsafePointer<Float> {
        UnsafePointer(activations.encoder[index].output)
    }

    /// The attention A of encoder block `index`, rows and columns as `AttentionShape` says, (N, H, E, E).
    package func encoderAttention(_ index: Int) -> Operand { activations.encoder[index].attention.probabilities }

    /// What token `query` of image `image` attends to in head `head` of encoder block `block`: a row of A, (T).
    package func attentionRow(block: Int, image: Int, head: Int, query: Int) -> [Float] {
        let start = ((image * shape.heads + head) * shape.extent + query) * shape.extent
        return PassTensor(name: "", shape: [shape.tokens], values: encoderAttention(block) + start).copy()
    }

    /// What the encoder's last norm makes of the last block's output, (N, T, D).
    package var encoderNormed: UnsafePointer<Float> { UnsafePointer(activations.normed) }

    /// The output of decoder block `index` after the last forward pass, (N, T, D).
    package func decoderOutput(_ index: Int) -> UnsafePointer<Float> {
        UnsafePointer(activations.decoder[index].output)
    }
}

extension Workspace {
    /// Runs `body` on every thread of the team, each with its part of the `images` images.
    func run(
        _ images: Int, _ parameters: UnsafeMutablePointer<Float>, gradients: UnsafeMutablePointer<Float>,
        _ body: (Pass, Activations) -> Void
    ) {
        let (memory, team, clock, whole) = (activations, team, clock, shape)
        let (prepared, scratch, derivation) = (prepared, scratch, derivation)
        precondition(images > 0 && images <= whole.images, "a batch larger than its workspace")
        team.run { thread in
            useSingleThreadedProducts()
            let part = team.part(thread, of: images)
            var shape = whole
            shape.images = part.count
            let pass = Pass(
                shape: shape, firstImage: part.lowerBound, allImages: images, parameters: parameters,
                prepared: prepared, gradients: gradients, scratch: scratch, derivation: derivation, thread: thread,
                team: team, clock: clock)
            body(pass, memory)
        }
    }
}
