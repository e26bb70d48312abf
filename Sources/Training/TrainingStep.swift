import Buffers
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
    /// Where this rank's time went.
    let seconds: StepSeconds
}

/// One optimiser step: every rank's micro-batches forward and backward, the sum of the gradients over all ranks,
/// clipping, AdamW. Collective: all ranks do the step, or all throw and no parameter has changed.
func runStep(
    _ step: Int, _ configuration: PretrainConfiguration, _ model: MaskedAutoencoder,
    _ optimizer: borrowing Optimizer, _ workspace: borrowing Workspace, _ loader: inout BatchLoader,
    _ reduction: inout GradientReduction, _ world: World
) throws -> StepResult {
    let clock = workspace.clock
    clock.restart()
    let hidden = model.configuration.patchCount - loader.visiblePatches
    let gradientScale = 1 / (Double(configuration.batchSize) * Double(hidden))
    let share = configuration.batchSize / configuration.virtualRanks
    let ownRanks = configuration.virtualRanks / world.size
    let (parameters, gradients) = (optimizer.parameters.pointer, optimizer.gradients.pointer)
    // One a virtual rank; those of other ranks stay zero, so that the sum over all ranks changes none.
    reduction.losses.pointer.update(repeating: 0, count: configuration.virtualRanks)

    // ---- this rank's share of the batch ----
    model.prepare(parameters: parameters, workspace: workspace)
    try world.agree {
        for virtualRank in world.rank * ownRanks..<(world.rank + 1) * ownRanks {
            optimizer.clearGradients()
            let firstPosition = step * configuration.batchSize + virtualRank * share
            for position in stride(from: firstPosition, to: firstPosition + share, by: configuration.microBatch) {
                try loader.loadTraining(positions: position..<position + configuration.microBatch)
                clock.finish(.data)
                let batch = MaskedBatch(
                    patches: loader.patches.pointer, mask: loader.mask.pointer, images: configuration.microBatch)
                model.forward(batch, parameters: parameters, workspace: workspace)
                model.loss(batch, gradientScale: Float(gradientScale), workspace: workspace)
                for loss in workspace.imageLosses.prefix(batch.images) { reduction.losses.pointer[virtualRank] += loss }
                model.backward(batch, parameters: parameters, gradients: gradients, workspace: workspace)
            }
            model.finishGradients(gradients, parameters: parameters, workspace: workspace)
            reduction.leaves.add(gradients)
            clock.finish(.reduction)
        }
    }

    // ---- the sum over all ranks ----
    reduction.tree.sum(gradients, count: optimizer.gradients.count)
    world.sum(reduction.losses.elements)
    let loss = reduction.losses.elements.reduce(0, +) * gradientScale
    clock.finish(.reduction)

    // ---- update ----
    let norm = optimizer.gradientNorm
    guard loss.isFinite, norm.isFinite else {
        throw Failure(
            "step \(step + 1) has loss \(loss) and gradient norm \(norm)",
            hint: "lower --lr or set --clip, and go on from the last checkpoint with --resume")
    }
    optimizer.update(
        step: step, rate: configuration.schedule.rate(at: step), norm: norm, clip: configuration.clip)
    clock.finish(.optimizer)
    return StepResult(loss: loss, gradientNorm: norm, seconds: clock.seconds)
}

/// What sums a step's gradients and losses, in the same order on any number of ranks.
struct GradientReduction: ~Copyable {
    var leaves: LeafSum
    let tree: TreeSum
    let losses: OwnedBuffer<Double>

    init(_ configuration: PretrainConfiguration, gradientCount: Int, world: World) throws {
        let leaves = try LeafSum(leaves: configuration.virtualRanks / world.size, count: gradientCount)
        let tree = try TreeSum(world)
        let losses = try OwnedBuffer<Double>(count: configuration.virtualRanks)
        self.leaves = leaves
        self.tree = tree
        self.losses = losses
    }
}
