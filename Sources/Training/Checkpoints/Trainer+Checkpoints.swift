import Base
import Checkpoints
import Kernels

extension Trainer {
    /// Fills parameters and moments from the checkpoint at `path`, which only rank 0 reads, or with initial values and those of
    /// `pretrained`. Collective: afterwards all ranks have the parameters of rank 0, or all throw.
    package func load(from path: String?, pretrained: PretrainedWeights? = nil) throws {
        let isCoordinator = world.rank == 0
        let isResuming = world.broadcast(path == nil ? 0 : 1, from: 0) == 1
        var failure: Failure?
        if isResuming {
            let room = try world.agree {
                try OwnedBuffer<Float>(count: MomentTransfer.room(for: replica.model.layout, world))
            }
            var transfer = MomentTransfer(
                replica.model.layout, partition, own: optimizer.moments, world: world, values: room.pointer)
            if let path {
                do {
                    try CheckpointStore.load(
                        into: replica.parameters.pointer, of: replica.model, from: path, kinds: optimizer.moments.kinds
                    ) {
                        transfer.distribute($2)
                    }
                } catch {
                    failure = Failure(from: error)
                }
            }
            transfer.distributeRest()
        } else if isCoordinator {
            replica.initialise(seed: configuration.seed)
            if let pretrained {
                do {
                    try CheckpointStore.loadParameters(
                        into: replica.parameters.pointer, parameters: pretrained.parameters(of: replica.model),
                        from: pretrained.file)
                } catch {
                    failure = Failure(from: error)
                }
            }
        }
        try world.share(failure)
        world.broadcast(replica.parameters.pointer, count: replica.model.layout.bufferCount, from: 0)
        if !isResuming { optimizer.startAverage(from: replica.parameters.pointer) }
        replica.parametersChanged()
    }

    /// Throws `SuspectState` if parameters are not finite or differ between ranks; such a state is never saved. Collective.
    package func requireSound(step: Int) throws {
        let (parameters, count) = (replica.parameters.pointer, replica.parameters.count)
        let moments = optimizer.moments
        let isFinite =
            allFinite(parameters, count: count)
            && moments.kinds.allSatisfy { allFinite(moments.values($0), count: moments.count) }
        let odd = world.minimum(isFinite ? world.size : world.rank)
        guard odd == world.size else {
            throw SuspectState(
                Failure(
                    "the parameters or moments of rank \(odd) are not finite after step \(step)",
                    hint: "go on from the last checkpoint with --resume and a lower --lr"))
        }
        var fingerprints = [Double](repeating: 0, count: world.size)
        fingerprints[world.rank] = Double(fingerprint(parameters, count: count))
        world.sum(&fingerprints)
        try requireEqual(fingerprints, after: step)
    }
}
