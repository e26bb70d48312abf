/// What is trained: the one engine knows a masked autoencoder and a classifier by this.
package enum Model: Sendable {
    /// An encoder, and a decoder that predicts the patches which the encoder did not see.
    case autoencoder(MaskedAutoencoder)
    /// An encoder, and a head that tells the class of an image.
    case classifier(Classifier)

    /// Extents of the encoder, and of the decoder where there is one.
    package var configuration: ModelConfiguration {
        switch self {
        case .autoencoder(let model): model.configuration
        case .classifier(let model): model.configuration.encoder
        }
    }

    /// Every trained parameter under its published name.
    package var layout: ParameterLayout {
        switch self {
        case .autoencoder(let model): model.layout
        case .classifier(let model): model.layout
        }
    }

    /// The masked autoencoder, where it is one.
    package var autoencoder: MaskedAutoencoder? {
        if case .autoencoder(let model) = self { model } else { nil }
    }

    /// The classifier, where it is one.
    package var classifier: Classifier? {
        if case .classifier(let model) = self { model } else { nil }
    }

    var encoder: [EncoderBlock] {
        switch self {
        case .autoencoder(let model): model.encoder
        case .classifier(let model): model.encoder
        }
    }

    var prepared: PreparedLayout {
        switch self {
        case .autoencoder(let model): model.prepared
        case .classifier(let model): model.prepared
        }
    }

    /// The embedding that takes its weight with the columns in the order of the patches, where the model has it.
    var patchEmbedding: PatchEmbedding? {
        switch self {
        case .autoencoder(let model): model.embedding
        case .classifier(let model): model.embedding.convolution
        }
    }
}
