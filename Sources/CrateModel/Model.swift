import Buffers

/// What is trained: the one engine knows a masked autoencoder and a classifier by this. Every call is passed on to the model's
/// own method of that name.
public enum Model: Sendable {
    case autoencoder(MaskedAutoencoder)
    case classifier(Classifier)

    /// Extents of the encoder, and of the decoder where there is one.
    public var configuration: ModelConfiguration {
        switch self {
        case .autoencoder(let model): model.configuration
        case .classifier(let model): model.configuration.encoder
        }
    }

    /// Every trained parameter under its published name.
    public var layout: ParameterLayout {
        switch self {
        case .autoencoder(let model): model.layout
        case .classifier(let model): model.layout
        }
    }

    /// The masked autoencoder, where it is one.
    public var autoencoder: MaskedAutoencoder? {
        if case .autoencoder(let model) = self { model } else { nil }
    }

    /// The classifier, where it is one.
    public var classifier: Classifier? {
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

    /// See `MaskedAutoencoder.prepare`.
    public func prepare(parameters: UnsafeMutablePointer<Float>, workspace: borrowing Workspace) {
        switch self {
        case .autoencoder(let model): model.prepare(parameters: parameters, workspace: workspace)
        case .classifier(let model): model.prepare(parameters: parameters, workspace: workspace)
        }
    }

    /// See `MaskedAutoencoder.encode`.
    public func encode(
        _ batch: PatchBatch, parameters: UnsafeMutablePointer<Float>, workspace: borrowing Workspace
    ) {
        switch self {
        case .autoencoder(let model): model.encode(batch, parameters: parameters, workspace: workspace)
        case .classifier(let model): model.encode(batch, parameters: parameters, workspace: workspace)
        }
    }

    /// See `MaskedAutoencoder.forward`.
    public func forward(
        _ batch: PatchBatch, parameters: UnsafeMutablePointer<Float>, workspace: borrowing Workspace
    ) {
        switch self {
        case .autoencoder(let model): model.forward(batch, parameters: parameters, workspace: workspace)
        case .classifier(let model): model.forward(batch, parameters: parameters, workspace: workspace)
        }
    }

    /// See `MaskedAutoencoder.loss` and `Classifier.loss`.
    public func loss(_ batch: PatchBatch, gradientScale: Float?, workspace: borrowing Workspace) {
        switch self {
        case .autoencoder(let model): model.loss(batch, gradientScale: gradientScale, workspace: workspace)
        case .classifier(let model): model.loss(batch, gradientScale: gradientScale, workspace: workspace)
        }
    }

    /// See `MaskedAutoencoder.backward`.
    public func backward(
        _ batch: PatchBatch, parameters: UnsafeMutablePointer<Float>, gradients: UnsafeMutablePointer<Float>,
        workspace: borrowing Workspace
    ) {
        switch self {
        case .autoencoder(let model):
            model.backward(batch, parameters: parameters, gradients: gradients, workspace: workspace)
        case .classifier(let model):
            model.backward(batch, parameters: parameters, gradients: gradients, workspace: workspace)
        }
    }

    /// See `MaskedAutoencoder.completeBackward`.
    public func completeBackward(
        _ batch: PatchBatch, parameters: UnsafeMutablePointer<Float>, gradients: UnsafeMutablePointer<Float>,
        workspace: borrowing Workspace, ready: (Int) -> Void
    ) {
        switch self {
        case .autoencoder(let model):
            model.completeBackward(
                batch, parameters: parameters, gradients: gradients, workspace: workspace, ready: ready)
        case .classifier(let model):
            model.completeBackward(
                batch, parameters: parameters, gradients: gradients, workspace: workspace, ready: ready)
        }
    }
}
