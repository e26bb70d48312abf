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
    /// Waiting for samples to be read and augmented.
    let dataSeconds: Double
    /// Forward and backward passes.
    let passSeconds: Double
    /// Summing over the ranks, waiting included.
    let communicationSeconds: Double
    /// Gradient norm, clipping and AdamW.
    let optimizerSeconds: Double
    /// Samples of the global batch that others stood in for.
    let substituted: Int
    /// This rank's share of them.
    let substitutions: [Substitution]
}

/// One optimiser step: every rank's micro-batches forward and backward, the sum of the gradients over all ranks,
/// clipping, AdamW. The loader must be at this step. Collective: all ranks do the step, or all throw and no parameter has changed.
func runStep(
    _ step: Int, _ configuration: PretrainConfiguration, _ model: MaskedAutoencoder,
    _ optimizer: borrowing Optimizer, _ workspace: borrowing Workspace, _ loader: BatchLoader,
    _ reduction: inout GradientReduction, _ world: World
) throws -> StepResult {
    var watch = Stopwatch()
    var (dataSeconds, passSeconds) = (0.0, 0.0)
    let hidden = model.configuration.patchCount - loader.visiblePatches
    let gradientScale = 1 / (Double(configuration.batchSize) * Double(hidden))
    let share = configuration.batchSize / configuration.virtualRanks
    let ownRanks = configuration.virtualRanks / world.size
    let (parameters, gradients) = (optimizer.parameters.pointer, optimizer.gradients.pointer)
    // One a virtual rank; those of other ranks stay zero, so that the sum over all ranks changes none.
    reduction.losses.pointer.update(repeating: 0, count: reduction.losses.count)
    var substitutions: [Substitution] = []

    // ---- this rank's share of the batch ----
    model.prepare(parameters: parameters, workspace: workspace)
    try world.agree {
        for virtualRank in world.rank * ownRanks..<(world.rank + 1) * ownRanks {
            optimizer.clearGradients()
            let firstPosition = step * configuration.batchSize + virtualRank * share
            for position in stride(from: firstPosition, to: firstPosition + share, by: configuration.microBatch) {
                passSeconds += watch.lap()
                guard let loaded = try loader.next(), loaded.positions.lowerBound == position else {
                    throw Failure("the loader is not at position \(position)", hint: "this is a mistake of the program")
                }
                dataSeconds += watch.lap()
                substitutions += loaded.substitutions
                let batch = MaskedBatch(
                    patches: loaded.patches, mask: loaded.mask, images: configuration.microBatch)
                model.forward(batch, parameters: parameters, workspace: workspace)
                model.loss(batch, gradientScale: Float(gradientScale), workspace: workspace)
                for loss in workspace.imageLosses.prefix(batch.images) { reduction.losses.pointer[virtualRank] += loss }
                model.backward(batch, parameters: parameters, gradients: gradients, workspace: workspace)
            }
            model.finishGradients(gradients, parameters: parameters, workspace: workspace)
            reduction.leaves.add(gradients)
        }
        passSeconds += watch.lap()
    }

    // ---- the sum over all ranks ----
    reduction.tree.sum(gradients, count: optimizer.gradients.count)
    reduction.losses.pointer[configuration.virtualRanks] = Double(substitutions.count)
    world.sum(reduction.losses.elements)
    let loss = reduction.losses.elements.dropLast().reduce(0, +) * gradientScale
    let communicationSeconds = watch.lap()

    // ---- update ----
    let norm = optimizer.gradientNorm
    guard loss.isFinite, norm.isFinite else {
        throw Failure(
            "step \(step + 1) has loss \(loss) and gradient norm \(norm)",
            hint: "lower --lr or set --clip, and go on from the last checkpoint with --resume")
    }
    optimizer.update(
        step: step, rate: configuration.schedule.rate(at: step), norm: norm, clip: configuration.clip)
    return StepResult(
        loss: loss, gradientNorm: norm, dataSeconds: dataSeconds, passSeconds: passSeconds,
        communicationSeconds: communicationSeconds, optimizerSeconds: watch.lap(),
        substituted: Int(reduction.losses.elements[configuration.virtualRanks]), substitutions: substitutions)
}

/// What sums a step's gradients and losses, in the same order on any number of ranks.
struct GradientReduction: ~Copyable {
    var leaves: LeafSum
    let tree: TreeSum
    /// One a virtual rank, and behind them how many samples were substituted.
    let losses: OwnedBuffer<Double>

    init(_ configuration: PretrainConfiguration, gradientCount: Int, world: World) throws {
        let leaves = try LeafSum(leaves: configuration.virtualRanks / world.size, count: gradientCount)
        let tree = try TreeSum(world)
        let losses = try OwnedBuffer<Double>(count: configuration.virtualRanks + 1)
        self.leaves = leaves
        self.tree = tree
        self.losses = losses
    }
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
