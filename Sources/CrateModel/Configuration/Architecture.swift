import Base

/// The kind of a model's blocks, and what follows from it.
///
/// Sources: Pai et al., Masked Completion via Structured Diffusion with White-Box Transformers (arXiv 2404.02446), and Yu et al.,
/// White-Box Transformers via Sparse Rate Reduction (arXiv 2306.01129); Yang et al., Scaling White-Box Transformers for Vision (arXiv
/// 2405.20299); Wu et al., Token Statistics Transformer (arXiv 2412.17810); He et al., Masked Autoencoders Are Scalable Vision
/// Learners (arXiv 2111.06377).
package enum Architecture: String, CaseIterable, Codable, Sendable {
    /// Subspace attention and one step of sparse coding.
    case crate
    /// Subspace attention and two steps with an overcomplete dictionary, both with a skip connection.
    case crateAlpha = "crate-alpha"
    /// CRATE with attention from token statistics.
    case tost
    /// The vision transformer: attention with queries, keys and values, and a perceptron.
    case vit

    /// As the architecture is called in texts.
    package var title: String {
        switch self {
        case .crate: "CRATE"
        case .crateAlpha: "CRATE-alpha"
        case .tost: "ToST"
        case .vit: "ViT"
        }
    }

    /// Whether a masked autoencoder's encoder sees the visible patches only, instead of mask tokens in the place of the others.
    package var omitsHiddenPatches: Bool { self == .vit }

    /// Whether a step of sparse coding has a penalty.
    package var hasLambda: Bool { self != .vit }

    /// Weight of the sparsity penalty where none is given, in pretraining.
    package var defaultLambda: Double {
        switch self {
        case .crate, .tost: 0.5
        case .crateAlpha: 0.1
        case .vit: 0
        }
    }

    /// D, depth and H of the encoder of size `size`; nil if there is no such model.
    package func extents(_ size: ModelSize) -> (dim: Int, depth: Int, heads: Int)? {
        switch (self, size) {
        case (.crate, .tiny), (.tost, .tiny): (384, 12, 6)
        case (.crateAlpha, .tiny), (.vit, .tiny): (192, 12, 3)
        case (.vit, .small): (384, 12, 6)
        case (_, .small): (576, 12, 12)
        case (_, .base): (768, 12, 12)
        case (_, .large): (1024, 24, 16)
        case (.crateAlpha, .huge), (.vit, .huge): (1280, 32, 16)
        case (_, .huge): nil
        }
    }

    /// The decoder of a masked autoencoder with an encoder of `dim`, `depth` and `heads`: as deep and wide as the encoder or, of a vision
    /// transformer, as published.
    package func decoder(dim: Int, depth: Int, heads: Int) -> (dim: Int, depth: Int, heads: Int) {
        self == .vit ? (512, 8, 16) : (dim, depth, heads)
    }
}

/// The published model sizes.
package enum ModelSize: String, CaseIterable, Codable, Sendable {
    case tiny, small, base, large, huge
}
