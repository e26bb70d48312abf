import Kernels

extension Workspace {
    /// Makes of the parameters what products take, on all threads.
    func prepare(
        _ encoder: [EncoderBlock], _ embedding: PatchEmbedding?, parameters: UnsafeMutablePointer<Float>
    ) {
        let (prepared, team) = (prepared, team)
        let (derivation, count) = (derivation, derivationCount)
        team.run { thread in
            useSingleThreadedProducts()
            let scratch = derivation + thread * count
            for block in encoder[team.part(thread, of: encoder.count)] {
                block.prepare(parameters, into: prepared, scratch: scratch)
            }
            if thread == 0 { embedding?.prepare(parameters, into: prepared, scratch: scratch) }
            prepared.copy(team.part(thread, of: prepared.layout.copied.count), from: parameters)
        }
        clock.finish(.ista)
    }
}
