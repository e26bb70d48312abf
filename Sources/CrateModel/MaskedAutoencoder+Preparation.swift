import Kernels

extension MaskedAutoencoder {
    /// Makes of the parameters what products take. To be called whenever the parameters have changed, before the first
    /// `forward`.
    public func prepare(parameters: UnsafeMutablePointer<Float>, workspace: borrowing Workspace) {
        let (prepared, team) = (workspace.prepared, workspace.team)
        deriveOnAllThreads(workspace) { thread, blocks, scratch in
            for block in encoder[blocks] { block.prepare(parameters, into: prepared, scratch: scratch) }
            if thread == 0 { embedding.prepare(parameters, into: prepared, scratch: scratch) }
            prepared.copy(team.part(thread, of: prepared.layout.copied.count), from: parameters)
        }
    }

    /// Completes the gradients, when the last micro-batch has gone backward: those of what was derived become those of
    /// the parameters.
    public func finishGradients(
        _ gradients: UnsafeMutablePointer<Float>, parameters: UnsafeMutablePointer<Float>,
        workspace: borrowing Workspace
    ) {
        deriveOnAllThreads(workspace) { thread, blocks, scratch in
            for block in encoder[blocks] {
                block.finishGradient(gradients, parameters: parameters, scratch: scratch)
            }
            if thread == 0 { embedding.finishGradient(gradients, scratch: scratch) }
        }
    }

    /// Runs `body` on every thread with its number, its part of the encoder's blocks, and its scratch.
    private func deriveOnAllThreads(
        _ workspace: borrowing Workspace, _ body: (Int, Range<Int>, UnsafeMutablePointer<Float>) -> Void
    ) {
        let (team, clock) = (workspace.team, workspace.clock)
        let (scratch, count) = (workspace.derivation, workspace.derivationCount)
        team.run { thread in
            useSingleThreadedProducts()
            body(thread, team.part(thread, of: encoder.count), scratch + thread * count)
        }
        clock.finish(.ista)
    }
}
