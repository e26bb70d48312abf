import Collectives
import CrateModel
import Files
import Shards

/// What one step found out; the same on all ranks, but for the seconds.
struct StepResult {
    /// The mean loss over the global batch.
    let loss: Double
    /// The global norm of the gradients before clipping.
    let gradientNorm: Double
    /// Reading and augmenting.
    let dataSeconds: Double
    /// Forward and backward passes.
    let passSeconds: Double
    /// Summing over the ranks, waiting included.
    let communicationSeconds: Double
    /// Gradient norm, clipping and AdamW.
    let optimizerSeconds: Double
}

/// One optimiser step: every rank's micro-batches forward and backward, the sum of the gradients over all ranks,
/// clipping, AdamW. Collective: all ranks do the step, or all throw and no parameter has changed.
func runStep(
    _ step: Int, _ configuration: PretrainConfiguration, _ model: MaskedAutoencoder,
    _ optimizer: borrowing Optimizer, _ workspace: borrowing Workspace, _ loader: inout BatchLoader, _ world: World
) throws -> StepResult {
    var watch = Stopwatch()
    var (dataSeconds, passSeconds) = (0.0, 0.0)
    let hidden = model.configuration.patchCount - loader.visiblePatches
    let gradientScale = 1 / (Double(configuration.batchSize) * Double(hidden))
    let perRank = configuration.batchSize / world.size
    let firstPosition = step * configuration.batchSize + world.rank * perRank
    var lossSum = 0.0

    // ---- this rank's share of the batch ----
    optimizer.clearGradients()
    model.prepare(parameters: optimizer.parameters.pointer, workspace: workspace)
    try world.agree {
        for first in stride(from: 0, to: perRank, by: configuration.microBatch) {
            let position = firstPosition + first
            passSeconds += watch.lap()
            try loader.loadTraining(positions: position..<position + configuration.microBatch)
            dataSeconds += watch.lap()
            let batch = MaskedBatch(
                patches: loader.patches.pointer, mask: loader.mask.pointer, images: configuration.microBatch)
            model.forward(batch, parameters: optimizer.parameters.pointer, workspace: workspace)
            model.loss(batch, gradientScale: Float(gradientScale), workspace: workspace)
            for loss in workspace.imageLosses.prefix(batch.images) { lossSum += loss }
            model.backward(
                batch, parameters: optimizer.parameters.pointer, gradients: optimizer.gradients.pointer,
                workspace: workspace)
        }
        model.finishGradients(
            optimizer.gradients.pointer, parameters: optimizer.parameters.pointer, workspace: workspace)
        passSeconds += watch.lap()
    }

    // ---- the sum over all ranks ----
    var loss = [lossSum * gradientScale]
    world.sum(optimizer.gradients.pointer, count: optimizer.gradients.count)
    world.sum(&loss)
    let communicationSeconds = watch.lap()

    // ---- update ----
    let norm = optimizer.gradientNorm
    guard loss[0].isFinite, norm.isFinite else {
        throw Failure(
            "step \(step + 1) has loss \(loss[0]) and gradient norm \(norm)",
            hint: "lower --lr or set --clip, and go on from the last checkpoint with --resume")
    }
    optimizer.update(
        step: step, rate: configuration.schedule.rate(at: step), norm: norm, clip: configuration.clip)
    return StepResult(
        loss: loss[0], gradientNorm: norm, dataSeconds: dataSeconds, passSeconds: passSeconds,
        communicationSeconds: communicationSeconds, optimizerSeconds: watch.lap())
}

/// Seconds from one lap to the next.
struct Stopwatch {
    private var last = ContinuousClock.now

    mutating func lap() -> Double {
        let now = ContinuousClock.now
        defer { last = now }
        return (now - last) / .seconds(1)
    }
}
