import Analysis
import Collectives
import CrateModel
import Files
import Kernels
import Shards

/// The mean loss over all samples of `loader`, each framed and masked in a way that is always the same.
///
/// The samples are cut into chunks of `chunk`, which go round the ranks; each sample's loss is then summed in the
/// order of the samples, so that the result does not depend on the number of ranks. Collective: all ranks get the
/// loss, or all throw.
public func evaluate(
    _ model: Model, parameters: UnsafeMutablePointer<Float>, workspace: borrowing Workspace,
    loader: BatchLoader, chunk: Int, world: World
) throws -> Double {
    let count = loader.count
    var losses = [Double](repeating: 0, count: count)
    model.prepare(parameters: parameters, workspace: workspace)
    try world.agree {
        loader.begin(
            BatchSequence(first: world.rank * chunk, size: chunk, stride: world.size * chunk, end: count),
            for: .evaluation)
        while let loaded = try loader.next() {
            let samples = loaded.positions
            let batch = MaskedBatch(patches: loaded.patches, mask: loaded.mask, images: samples.count)
            model.forward(batch, parameters: parameters, workspace: workspace)
            model.loss(batch, gradientScale: nil, workspace: workspace)
            for (sample, loss) in zip(samples, workspace.imageLosses) { losses[sample] = loss }
        }
    }
    world.sum(&losses)
    let hidden = model.configuration.patchCount - loader.visiblePatches
    return losses.reduce(0, +) / Double(count * hidden)
}

/// What `evaluateCheckpoint` found.
public struct CheckpointEvaluation: Sendable {
    /// The mean loss over all samples.
    public let loss: Double
    /// The number of samples.
    public let samples: Int
    /// The model file that was evaluated.
    public let file: String
    /// Damaged checkpoints that were passed over. Rank 0's alone.
    public let warnings: [Failure]
}

/// The validation loss of the checkpoint that `path` means (see `CheckpointStore.modelFile`) on the shards in `data`.
///
/// `maskRatio` nil takes the ratio of the training. Every rank reads the checkpoint. Collective: all ranks get the loss, or all throw.
public func evaluateCheckpoint(
    _ path: String, data: String, maskRatio: Double?, precision: Precision, threads: Int, world: World
) throws -> CheckpointEvaluation {
    // Larger chunks gain nothing; the same chunks on any number of ranks give the same bits.
    let chunk = 8
    let loaded = try LoadedModel(path, images: chunk, precision: precision, threads: threads, world: world)
    let configuration = loaded.model.configuration
    let loader = try world.agree {
        try BatchLoader(
            LoaderSettings(
                path: data, imageSize: configuration.imageSize, patchSize: configuration.patchSize,
                normalisation: loaded.normalisation, maskRatio: maskRatio ?? loaded.maskRatio, seed: 0, capacity: chunk)
        )
    }
    try world.demandEqual(["shards": try world.agree { try ShardIndex.fingerprint(directory: data) }])
    let loss = try evaluate(
        loaded.model, parameters: loaded.parameters.pointer, workspace: loaded.workspace, loader: loader, chunk: chunk,
        world: world)
    return CheckpointEvaluation(
        loss: loss, samples: loader.count, file: loaded.file, warnings: loaded.warnings)
}
