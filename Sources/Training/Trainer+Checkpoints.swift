import Checkpoints
import Collectives
import CrateModel
import Files
import Kernels

extension Trainer {
    /// Fills parameters and moments from the checkpoint at `path`, which rank 0 alone reads, or with initial values.
    /// Collective: all ranks hold rank 0's parameters afterwards, or all throw.
    func load(from path: String?) throws {
        let isCoordinator = world.rank == 0
        let isResuming = world.broadcast(path == nil ? 0 : 1, from: 0) == 1
        var failure: Failure?
        if isResuming {
            var transfer = try world.agree { try MomentTransfer(model.layout, partition, world: world) }
            if let path {
                do {
                    try CheckpointStore.load(into: optimizer.parameters.pointer, of: model, from: path) {
                        transfer.distribute($2, to: optimizer)
                    }
                } catch {
                    failure = Failure(from: error)
                }
            }
            transfer.distributeRest(to: optimizer)
        } else if isCoordinator {
            model.layout.initialise(optimizer.parameters.pointer, seed: configuration.seed)
        }
        try world.share(failure)
        world.broadcast(optimizer.parameters.pointer, count: model.layout.bufferCount, from: 0)
    }

    /// Saves the state after `step` steps to `store`, which rank 0 alone writes. Parameters that are not finite, or not the
    /// same on all ranks, are never saved. Collective: all ranks return, or all throw the same `Failure`.
    func save(to store: CheckpointStore, step: Int) throws {
        let (parameters, count) = (optimizer.parameters.pointer, optimizer.parameters.count)
        try world.agree {
            guard allFinite(parameters, count: count) else {
                throw Failure(
                    "the parameters of rank \(world.rank) are not finite after step \(step), so they are not saved",
                    hint: "go on from the last checkpoint with --resume and a lower --lr")
            }
        }
        var fingerprints = [Double](repeating: 0, count: world.size)
        fingerprints[world.rank] = Double(fingerprint(parameters, count: count))
        world.sum(&fingerprints)
        try demandEqual(fingerprints, after: step)

        var transfer = try world.agree { try MomentTransfer(model.layout, partition, world: world) }
        var failure: Failure?
        if world.rank == 0 {
            do {
                try store.save(
                    parameters, of: model, maskRatio: configuration.maskRatio, step: step,
                    samples: step * configuration.batchSize
                ) { _, _ in transfer.collect(from: optimizer) }
            } catch {
                failure = Failure(from: error)
            }
        }
        transfer.collectRest(from: optimizer)
        try world.share(failure)
    }
}
