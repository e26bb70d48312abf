import Base

/// The two kinds of classifiers, which differ in how patches become tokens, and in the parameters' names.
package enum ClassifierForm: String, CaseIterable, Codable, Sendable {
    /// CRATE as published: norm, product, norm; a learned position table.
    case supervised
    /// The encoder of a masked autoencoder: a product, the fixed position table.
    case autoencoder
}

/// What a classifier computes: an encoder, and a norm and a product for one vector of each image.
package struct ClassifierConfiguration: Codable, Equatable, Sendable {
    /// The encoder; there is no decoder.
    package let encoder: ModelConfiguration
    /// How patches become tokens.
    package let form: ClassifierForm
    /// What is looked at.
    package let pooling: Pooling
    /// The number of classes (K).
    package let classes: Int

    /// A classifier on the encoder of `model`, whose decoder is left out. Throws `Failure` as `validate` does.
    package init(_ model: ModelConfiguration, form: ClassifierForm, pooling: Pooling, classes: Int) throws {
        encoder = try ModelConfiguration(
            imageSize: model.imageSize, patchSize: model.patchSize, dim: model.dim, depth: model.depth,
            decoderDepth: 0, heads: model.heads, lambda: model.lambda, normalisesTargets: false,
            positionGrid: form == .supervised ? nil : model.trainedGrid)
        self.form = form
        self.pooling = pooling
        self.classes = classes
        try validate()
    }

    /// Throws `Failure` when the extents do not fit together or are beyond any use; also for a decoded value.
    package func validate() throws {
        try encoder.validate(decoderDepths: 0...0)
        guard (2...100_000).contains(classes) else {
            throw Failure("\(classes) classes are outside 2 to 100000", hint: "shard images of at least two classes")
        }
    }
}
