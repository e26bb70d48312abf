import Buffers
import Kernels

// N images of a micro-batch, L patches, T = L + 1 tokens, M = N T rows, D channels, V values a patch.

/// All memory of a forward and backward pass over a micro-batch, allocated once.
public struct Workspace: ~Copyable {
    let shape: AttentionShape
    let tokens: UnsafeMutablePointer<Float>  // z before the first block, (M, D)
    let encoder: [EncoderBlock.Saved]
    let norm: NormLayer.Saved
    let decoder: [DecoderBlock.Saved]
    let decoderNorm: NormLayer.Saved
    let gradient: UnsafeMutablePointer<Float>  // the running gradient of a block's output, (M, D)
    let scratch: Scratch
    let embedding: PatchEmbedding.Memory
    /// What the model predicts for every token, the class token's row first, (N, T, V). After
    /// `MaskedAutoencoder.loss` with a gradient scale: the gradient of it.
    public let predictions: UnsafeMutablePointer<Float>
    private let arena: Arena

    /// Memory for micro-batches of up to `images` images. Throws `Failure` when it is not to be had.
    public init(_ configuration: ModelConfiguration, images: Int) throws {
        var arena = Arena()
        let shape = AttentionShape(
            images: images, tokens: configuration.tokenCount, heads: configuration.heads,
            headDim: configuration.headDim)
        let (rows, dim) = (images * configuration.tokenCount, configuration.dim)
        let tokens = try arena.floats(rows * dim)
        var encoder: [EncoderBlock.Saved] = []
        for _ in 0..<configuration.depth { encoder.append(try .init(shape, in: &arena)) }
        let norm = try NormLayer.Saved(rows: rows, dim: dim, in: &arena)
        var decoder: [DecoderBlock.Saved] = []
        for _ in 0..<configuration.decoderDepth { decoder.append(try .init(shape, in: &arena)) }
        let decoderNorm = try NormLayer.Saved(rows: rows, dim: dim, in: &arena)
        let gradient = try arena.floats(rows * dim)
        let scratch = try Scratch(shape, in: &arena)
        let predictions = try arena.floats(rows * configuration.patchValueCount)
        let embeddingWeight = try arena.floats(dim * configuration.patchValueCount)

        self.shape = shape
        self.tokens = tokens
        self.encoder = encoder
        self.norm = norm
        self.decoder = decoder
        self.decoderNorm = decoderNorm
        self.gradient = gradient
        self.scratch = scratch
        self.predictions = predictions
        // The embedding runs before the predictions exist and after their gradient is used up.
        embedding = PatchEmbedding.Memory(
            values: predictions, embedded: scratch.first, weight: embeddingWeight)
        self.arena = arena
    }

    /// Bytes of all buffers.
    public var bytes: Int { arena.bytes }

    /// The output of encoder block `index` after the last forward pass, (N, T, D).
    public func encoderOutput(_ index: Int) -> UnsafePointer<Float> { UnsafePointer(encoder[index].output) }

    /// The output of decoder block `index` after the last forward pass, (N, T, D).
    public func decoderOutput(_ index: Int) -> UnsafePointer<Float> { UnsafePointer(decoder[index].output) }
}
