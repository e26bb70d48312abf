import Kernels

extension MaskedAutoencoder {
    /// Makes of the parameters what products take. To be called whenever the parameters have changed, before the first
    /// `forward`.
    public func prepare(parameters: UnsafeMutablePointer<Float>, workspace: borrowing Workspace) {
        let (prepared, team) = (workspace.prepared, workspace.team)
        let (derivation, count) = (workspace.derivation, workspace.derivationCount)
        team.run { thread in
            useSingleThreadedProducts()
            let scratch = derivation + thread * count
            for block in encoder[team.part(thread, of: encoder.count)] {
                block.prepare(parameters, into: prepared, scratch: scratch)
            }
            if thread == 0 { embedding.prepare(parameters, into: prepared, scratch: scratch) }
            prepared.copy(team.part(thread, of: prepared.layout.copied.count), from: parameters)
        }
        workspace.clock.finish(.ista)
    }
}
