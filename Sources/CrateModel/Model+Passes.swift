/// The passes of a model: they run on all threads of a workspace, and what they leave stays there.
extension Model {
    /// Makes of the parameters what products take. To be called whenever the parameters have changed, before the first
    /// `forward`.
    package func prepare(parameters: UnsafeMutablePointer<Float>, workspace: borrowing Workspace) {
        workspace.prepare(encoder, patchEmbedding, parameters: parameters)
    }

    /// The encoder alone with the norm behind it, a classifier's over all tokens; every block's state stays in the workspace.
    package func encode(
        _ batch: PatchBatch, parameters: UnsafeMutablePointer<Float>, workspace: borrowing Workspace
    ) {
        workspace.run(batch.images, parameters, gradients: parameters) { pass, memory in
            switch self {
            case .autoencoder(let model): model.encode(batch, pass, memory)
            case .classifier(let model): model.encode(batch, pass, memory)
            }
        }
    }

    /// Encoder, and decoder or head; every block's output stays in the workspace, and so do the predictions or logits.
    package func forward(
        _ batch: PatchBatch, parameters: UnsafeMutablePointer<Float>, workspace: borrowing Workspace
    ) {
        workspace.run(batch.images, parameters, gradients: parameters) { pass, memory in
            switch self {
            case .autoencoder(let model): model.forward(batch, pass, memory)
            case .classifier(let model): model.forward(batch, pass, memory)
            }
        }
    }

    /// The loss of what the last `forward` has left: that of image n goes to the workspace's `imageLosses[n]`, an autoencoder's as
    /// the sum over its hidden patches. With `gradientScale` predictions or logits become the gradient in their place. See
    /// `reconstructionLoss` and `crossEntropyLoss`.
    package func loss(_ batch: PatchBatch, gradientScale: Float?, workspace: borrowing Workspace) {
        let (memory, team, losses) = (workspace.activations, workspace.team, workspace.losses.pointer)
        team.run { thread in
            let images = team.part(thread, of: batch.images)
            switch self {
            case .autoencoder(let model):
                model.loss(batch, of: images, memory, gradientScale: gradientScale, imageLosses: losses)
            case .classifier(let model):
                model.loss(batch, of: images, memory, gradientScale: gradientScale, imageLosses: losses)
            }
        }
        workspace.clock.finish(.loss)
    }

    /// Adds the gradient of the loss to `gradients`, from the state that `forward` and `loss` left. What is not the last
    /// micro-batch of a sum.
    package func backward(
        _ batch: PatchBatch, parameters: UnsafeMutablePointer<Float>, gradients: UnsafeMutablePointer<Float>,
        workspace: borrowing Workspace
    ) {
        backward(batch, parameters, gradients, workspace, isLast: false, ready: { _ in })
    }

    /// Does what `backward` does and completes the gradients. When those from a position of the flat buffer to its end
    /// are complete, calls `ready` with the position: one call a block, falling to 0, on the calling thread.
    package func completeBackward(
        _ batch: PatchBatch, parameters: UnsafeMutablePointer<Float>, gradients: UnsafeMutablePointer<Float>,
        workspace: borrowing Workspace, ready: (Int) -> Void
    ) {
        backward(batch, parameters, gradients, workspace, isLast: true, ready: ready)
    }

    private func backward(
        _ batch: PatchBatch, _ parameters: UnsafeMutablePointer<Float>, _ gradients: UnsafeMutablePointer<Float>,
        _ workspace: borrowing Workspace, isLast: Bool, ready: (Int) -> Void
    ) {
        workspace.run(batch.images, parameters, gradients: gradients) { pass, memory in
            switch self {
            case .autoencoder(let model): model.backward(batch, pass, memory, isLast: isLast, ready: ready)
            case .classifier(let model): model.backward(batch, pass, memory, isLast: isLast, ready: ready)
            }
        }
    }
}
