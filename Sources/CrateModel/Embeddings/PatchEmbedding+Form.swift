extension PatchEmbedding {
    /// What differs between models.
    struct Form {
        let product, positions: String
        /// Fixed positions are the sine-cosine table of the configuration.
        let learnsPositions: Bool
        /// Of the class token's initial values.
        let deviation: Double
        let hiding: Hiding

        enum Hiding { case maskTokens, omission, none }
    }
}

extension PatchEmbedding.Form {
    /// The embedding of a masked autoencoder (no `classifier`), of its encoder under a classifier, or of a supervised model.
    init(_ architecture: Architecture, _ classifier: ClassifierConfiguration?) {
        let isSupervised = classifier?.form == .supervised
        let isAlpha = architecture == .crateAlpha && isSupervised
        self.init(
            product: isAlpha ? "conv1" : "patch_embed.proj", positions: isAlpha ? "pos_embedding" : "pos_embed",
            learnsPositions: isSupervised, deviation: isAlpha ? 1e-6 : 0.02,
            hiding: classifier != nil ? .none : architecture.omitsHiddenPatches ? .omission : .maskTokens)
    }
}

/// A position table, (T, D).
enum PositionRows {
    case fixed([Float])
    /// The offset of the parameter.
    case learned(Int)

    var offset: Int? {
        guard case .learned(let offset) = self else { return nil }
        return offset
    }

    func withRows(_ parameters: UnsafeMutablePointer<Float>, _ body: (UnsafePointer<Float>) -> Void) {
        switch self {
        case .fixed(let table): table.withUnsafeBufferPointer { body($0.baseAddress!) }
        case .learned(let offset): body(parameters + offset)
        }
    }
}
