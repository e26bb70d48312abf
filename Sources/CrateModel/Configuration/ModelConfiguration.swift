import Base
import Kernels

/// The configuration of a masked autoencoder. L = (S / p)^2 patches, T = L + 1 tokens, D channels, H heads, P = D / H.
package struct ModelConfiguration: Codable, Equatable, Sendable {
    /// Side of the square input in pixels (S).
    package let imageSize: Int
    /// Side of a square patch in pixels (p).
    package let patchSize: Int
    /// Channels of a token (D).
    package let dim: Int
    package let depth: Int
    package let decoderDepth: Int
    /// Subspaces of the attention (H).
    package let heads: Int
    /// Weight of the sparsity penalty in a step of sparse coding, where the architecture has one; see
    /// `Architecture.defaultLambda`.
    package let lambda: Double
    /// Whether each target patch is standardised before the error is computed.
    package let normalisesTargets: Bool
    /// Nil for RGB.
    private let ownChannels: Int?
    /// Nil for CRATE, as in configurations that were stored before there were others.
    private let kind: Architecture?
    /// Nil for a decoder as wide as the encoder.
    private let ownDecoder: DecoderExtents?
    /// Patches per side in training, if the weights are now used on another grid: the fixed position table is
    /// interpolated.
    package let positionGrid: Int?

    private enum CodingKeys: String, CodingKey {
        case imageSize, patchSize, dim, depth, decoderDepth, heads, lambda, normalisesTargets, positionGrid
        case kind = "architecture"
        case ownDecoder = "decoder"
        case ownChannels = "channels"
    }

    /// Size of the ISTA step (eta), the same in all published weights.
    package static let istaStepSize = 0.1

    /// A configuration without a decoder is only valid in a `ClassifierConfiguration`. Throws `Failure` if the extents
    /// do not fit together or are out of range.
    package init(
        _ architecture: Architecture = .crate, imageSize: Int, patchSize: Int, dim: Int, depth: Int,
        decoderDepth: Int? = nil, heads: Int, decoder: DecoderExtents? = nil, lambda: Double? = nil,
        normalisesTargets: Bool, positionGrid: Int? = nil, channels: Int = 3
    ) throws {
        let published = architecture.decoder(dim: dim, depth: depth, heads: heads)
        kind = architecture == .crate ? nil : architecture
        ownChannels = channels == 3 ? nil : channels
        self.imageSize = imageSize
        self.patchSize = patchSize
        self.dim = dim
        self.depth = depth
        self.decoderDepth = decoderDepth ?? published.depth
        self.heads = heads
        let encoder = DecoderExtents(dim: dim, heads: heads)
        let own = decoder ?? DecoderExtents(dim: published.dim, heads: published.heads)
        ownDecoder = own == encoder || decoderDepth == 0 ? nil : own
        self.lambda = lambda ?? architecture.defaultLambda
        self.normalisesTargets = normalisesTargets
        let isWhole = patchSize > 0 && imageSize % patchSize == 0
        self.positionGrid = positionGrid.flatMap { isWhole && $0 == imageSize / patchSize ? nil : $0 }
        try validate(decoderDepths: 0...256)
    }

    package var architecture: Architecture { kind ?? .crate }
    /// Channels of the images (C).
    package var channels: Int { ownChannels ?? 3 }
    /// Those of the encoder if there is no decoder.
    package var decoder: DecoderExtents { ownDecoder ?? DecoderExtents(dim: dim, heads: heads) }

    /// The same with other values where they are given. Throws `Failure` as `init` does.
    package func with(
        imageSize: Int? = nil, decoderDepth: Int? = nil, lambda: Double? = nil, normalisesTargets: Bool? = nil,
        positionGrid: Int?, channels: Int? = nil
    ) throws -> ModelConfiguration {
        try ModelConfiguration(
            architecture, imageSize: imageSize ?? self.imageSize, patchSize: patchSize, dim: dim, depth: depth,
            decoderDepth: decoderDepth ?? self.decoderDepth, heads: heads, decoder: decoder,
            lambda: lambda ?? self.lambda, normalisesTargets: normalisesTargets ?? self.normalisesTargets,
            positionGrid: positionGrid, channels: channels ?? self.channels)
    }

    package var patchesPerSide: Int { imageSize / patchSize }
    package var patchCount: Int { patchesPerSide * patchesPerSide }
    /// Patches per side for which the positions were trained.
    package var trainedGrid: Int { positionGrid ?? patchesPerSide }
    /// T, including the class token.
    package var tokenCount: Int { patchCount + 1 }
    /// C p p.
    package var patchValueCount: Int { patchSize * patchSize * channels }
    package var headDim: Int { dim / heads }

    /// The fixed position table that is added to the tokens, (T, D).
    package var positions: [Float] { positionTable(dim: dim, grid: patchesPerSide, trained: trainedGrid) }
    /// That of a decoder with tokens of its own, (T, decoder's D).
    package var decoderPositions: [Float] {
        positionTable(dim: decoder.dim, grid: patchesPerSide, trained: trainedGrid)
    }

    /// Throws `Failure` if the extents do not fit together or are out of range. Also for decoded values.
    package func validate(decoderDepths: ClosedRange<Int> = 1...256) throws {
        try check("image size", imageSize, in: 1...PatchLimits.imageSize)
        try check("patch size", patchSize, in: 1...imageSize)
        try check("number of channels", channels, in: 1...256)
        try check("width (--dim)", dim, in: 4...16_384)
        try check("encoder depth (--depth)", depth, in: 1...256)
        try check("decoder depth", decoderDepth, in: decoderDepths)
        try check("number of heads (--heads)", heads, in: 1...dim)
        guard imageSize % patchSize == 0 else {
            throw Failure(
                "image size \(imageSize) is not a multiple of patch size \(patchSize)",
                hint: "choose --image-size and --patch-size that divide")
        }
        guard patchesPerSide <= PatchLimits.patchesPerSide else {
            throw Failure(
                "\(patchesPerSide) patches per side are more than \(PatchLimits.patchesPerSide)",
                hint: "choose a larger --patch-size")
        }
        try check("trained grid of patches", positionGrid ?? 1, in: 1...PatchLimits.patchesPerSide)
        try check("decoder width (--decoder-dim)", decoder.dim, in: 4...16_384)
        try check("number of decoder heads (--decoder-heads)", decoder.heads, in: 1...decoder.dim)
        guard dim % heads == 0, dim % 4 == 0 else {
            throw Failure(
                "width \(dim) must be a multiple of 4 and of the \(heads) heads", hint: "change --dim or --heads")
        }
        guard decoder.dim % decoder.heads == 0, decoder.dim % 4 == 0 else {
            throw Failure(
                "decoder width \(decoder.dim) must be a multiple of 4 and of the \(decoder.heads) heads",
                hint: "change --decoder-dim or --decoder-heads")
        }
        guard architecture == .vit || ownDecoder == nil else {
            throw Failure(
                "the decoder of \(architecture.title) is as wide as its encoder",
                hint: "leave --decoder-dim and --decoder-heads out")
        }
        guard lambda.isFinite, lambda >= 0 else {
            throw Failure("lambda \(lambda) is not a finite number from 0 up", hint: "change --lambda")
        }
    }

    /// The settings that differ from `other`, as `name was 1 and is now 2`.
    package func difference(from other: ModelConfiguration) -> String {
        let pairs: [(String, any Equatable, any Equatable)] = [
            ("architecture", architecture.rawValue, other.architecture.rawValue),
            ("decoder width", decoder.dim, other.decoder.dim), ("decoder heads", decoder.heads, other.decoder.heads),
            ("imageSize", imageSize, other.imageSize), ("patchSize", patchSize, other.patchSize),
            ("dim", dim, other.dim), ("depth", depth, other.depth), ("decoderDepth", decoderDepth, other.decoderDepth),
            ("heads", heads, other.heads), ("lambda", lambda, other.lambda),
            ("normalisesTargets", normalisesTargets, other.normalisesTargets),
            ("trainedGrid", trainedGrid, other.trainedGrid),
            ("channels", channels, other.channels),
        ]
        return pairs.filter { "\($0.1)" != "\($0.2)" }.map { "\($0.0) was \($0.1) and is now \($0.2)" }
            .joined(separator: ", ")
    }

    private func check(_ name: String, _ value: Int, in range: ClosedRange<Int>) throws {
        guard range.contains(value) else {
            throw Failure(
                "\(name) \(value) is outside \(range.lowerBound) to \(range.upperBound)",
                hint: "choose a value in that range")
        }
    }
}

/// D and H of a decoder.
package struct DecoderExtents: Codable, Equatable, Sendable {
    package let dim, heads: Int

    package init(dim: Int, heads: Int) { (self.dim, self.heads) = (dim, heads) }
}
