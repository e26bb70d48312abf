import Buffers
import Kernels
import Threads

// N images of a micro-batch, L patches, T = L + 1 tokens, M = N T rows, D channels, V values a patch.

/// Where a pass finds its memory.
struct Activations {
    let shape: AttentionShape
    let tokens: UnsafeMutablePointer<Float>  // z before the first block, (M, D)
    let encoder: [EncoderBlock.Saved]
    let norm: NormLayer.Saved
    let decoder: [DecoderBlock.Saved]
    let decoderNorm: NormLayer.Saved
    let gradient: UnsafeMutablePointer<Float>  // the running gradient of a block's output, (M, D)
    let scratch: Scratch
    let predictions: UnsafeMutablePointer<Float>  // (N, T, V)
    let embedding: PatchEmbedding.Memory

    init(_ configuration: ModelConfiguration, images: Int, threads: Int, in arena: inout Arena) throws {
        shape = AttentionShape(
            images: images, tokens: configuration.tokenCount, heads: configuration.heads,
            headDim: configuration.headDim)
        let (rows, dim) = (images * configuration.tokenCount, configuration.dim)
        tokens = try arena.floats(rows * dim)
        var encoder: [EncoderBlock.Saved] = []
        for _ in 0..<configuration.depth { encoder.append(try .init(shape, threads: threads, in: &arena)) }
        self.encoder = encoder
        norm = try .init(rows: rows, dim: dim, threads: threads, in: &arena)
        var decoder: [DecoderBlock.Saved] = []
        for _ in 0..<configuration.decoderDepth { decoder.append(try .init(shape, threads: threads, in: &arena)) }
        self.decoder = decoder
        decoderNorm = try .init(rows: rows, dim: dim, threads: threads, in: &arena)
        gradient = try arena.floats(rows * dim)
        scratch = try Scratch(shape, threads: threads, in: &arena)
        predictions = try arena.floats(rows * configuration.patchValueCount)
        // The embedding runs before the predictions exist and after their gradient is used up.
        embedding = PatchEmbedding.Memory(values: predictions, embedded: scratch.first)
    }
}

/// Where in the workspace the prepared weights lie: what products take in place of a parameter as it is stored.
struct PreparedLayout {
    private(set) var count = 0

    /// Room for `count` elements; returns its offset.
    mutating func append(_ count: Int) -> Int {
        defer { self.count += (count + 15) / 16 * 16 }
        return self.count
    }
}

/// All memory of a forward and backward pass over a micro-batch, allocated once, and the threads that run it.
public struct Workspace: ~Copyable {
    let activations: Activations
    let prepared: UnsafeMutablePointer<Float>
    let team: ThreadTeam
    let clock: PartClock
    private let arena: Arena
    private let partSeconds: OwnedBuffer<Double>

    /// Memory for micro-batches of up to `images` images. Throws `Failure` when it is not to be had.
    public init(_ model: MaskedAutoencoder, images: Int, team: ThreadTeam) throws {
        let configuration = model.configuration
        var arena = Arena()
        let activations = try Activations(configuration, images: images, threads: team.count, in: &arena)
        let prepared = try arena.floats(model.prepared.count)
        let partSeconds = try OwnedBuffer<Double>(count: PartClock.count)
        self.activations = activations
        self.prepared = prepared
        self.team = team
        clock = PartClock(partSeconds.pointer)
        self.arena = arena
        self.partSeconds = partSeconds
    }

    /// Seconds that the passes have spent on `part` since the workspace was made.
    public func seconds(of part: PassPart) -> Double { partSeconds.pointer[part.rawValue] }

    /// What the model predicts for every token, the class token's row first, (N, T, V). After
    /// `MaskedAutoencoder.loss` with a gradient scale: the gradient of it.
    public var predictions: UnsafePointer<Float> { UnsafePointer(activations.predictions) }

    /// The output of encoder block `index` after the last forward pass, (N, T, D).
    public func encoderOutput(_ index: Int) -> UnsafePointer<Float> {
        UnsafePointer(activations.encoder[index].output)
    }

    /// The output of decoder block `index` after the last forward pass, (N, T, D).
    public func decoderOutput(_ index: Int) -> UnsafePointer<Float> {
        UnsafePointer(activations.decoder[index].output)
    }
}
