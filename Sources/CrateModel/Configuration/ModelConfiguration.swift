import Base
import Kernels

/// The published model sizes, with the same depth in encoder and decoder.
package enum ModelSize: String, CaseIterable, Codable, Sendable {
    /// 12, 25, 45 and 154 million parameters.
    case tiny, small, base, large

    /// D, the depth of the encoder and of the decoder, H.
    package var extents: (dim: Int, depth: Int, heads: Int) {
        switch self {
        case .tiny: (384, 12, 6)
        case .small: (576, 12, 12)
        case .base: (768, 12, 12)
        case .large: (1024, 24, 16)
        }
    }
}

/// The configuration of a CRATE-MAE. L = (S / p)^2 patches, T = L + 1 tokens, D channels, H heads, P = D / H.
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
    /// Weight of the sparsity penalty in the ISTA step; 0.5 unless the paper says otherwise, which also uses 5.0 and
    /// 0.1.
    package let lambda: Double
    /// Whether each target patch is standardised before the error is computed.
    package let normalisesTargets: Bool
    /// Patches per side in training, if the weights are now used on another grid: the fixed position table is
    /// interpolated.
    package let positionGrid: Int?

    package static let channels = 3
    /// Size of the ISTA step (eta), the same in all published weights.
    package static let istaStepSize = 0.1

    /// A configuration without a decoder is only valid in a `ClassifierConfiguration`. Throws `Failure` if the extents
    /// do not fit together or are out of range.
    package init(
        imageSize: Int, patchSize: Int, dim: Int, depth: Int, decoderDepth: Int? = nil, heads: Int,
        lambda: Double = 0.5, normalisesTargets: Bool, positionGrid: Int? = nil
    ) throws {
        self.imageSize = imageSize
        self.patchSize = patchSize
        self.dim = dim
        self.depth = depth
        self.decoderDepth = decoderDepth ?? depth
        self.heads = heads
        self.lambda = lambda
        self.normalisesTargets = normalisesTargets
        let isWhole = patchSize > 0 && imageSize % patchSize == 0
        self.positionGrid = positionGrid.flatMap { isWhole && $0 == imageSize / patchSize ? nil : $0 }
        try validate(decoderDepths: 0...256)
    }

    package var patchesPerSide: Int { imageSize / patchSize }
    package var patchCount: Int { patchesPerSide * patchesPerSide }
    /// Patches per side for which the positions were trained.
    package var trainedGrid: Int { positionGrid ?? patchesPerSide }
    /// T, including the class token.
    package var tokenCount: Int { patchCount + 1 }
    /// 3 p p.
    package var patchValueCount: Int { patchSize * patchSize * Self.channels }
    package var headDim: Int { dim / heads }

    /// The fixed position table that is added to the tokens, (T, D).
    package var positions: [Float] { positionTable(dim: dim, grid: patchesPerSide, trained: trainedGrid) }

    /// Throws `Failure` if the extents do not fit together or are out of range. Also for decoded values.
    package func validate(decoderDepths: ClosedRange<Int> = 1...256) throws {
        try check("image size", imageSize, in: 1...PatchLimits.imageSize)
        try check("patch size", patchSize, in: 1...imageSize)
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
        guard dim % heads == 0, dim % 4 == 0 else {
            throw Failure(
                "width \(dim) must be a multiple of 4 and of the \(heads) heads", hint: "change --dim or --heads")
        }
        guard lambda.isFinite, lambda >= 0 else {
            throw Failure("lambda \(lambda) is not a finite number from 0 up", hint: "change --lambda")
        }
    }

    /// The settings that differ from `other`, as `name was 1 and is now 2`.
    package func difference(from other: ModelConfiguration) -> String {
        let pairs: [(String, any Equatable, any Equatable)] = [
            ("imageSize", imageSize, other.imageSize), ("patchSize", patchSize, other.patchSize),
            ("dim", dim, other.dim), ("depth", depth, other.depth), ("decoderDepth", decoderDepth, other.decoderDepth),
            ("heads", heads, other.heads), ("lambda", lambda, other.lambda),
            ("normalisesTargets", normalisesTargets, other.normalisesTargets),
            ("trainedGrid", trainedGrid, other.trainedGrid),
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
