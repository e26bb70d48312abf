import Analysis
import Base
import Collectives
import CrateModel
import Kernels
import Loader

/// What a model achieves on a whole validation set.
package struct Evaluation: Sendable {
    /// The mean loss over all samples.
    package let loss: Double
    /// The fractions of the samples whose class a classifier names first, and among its first five.
    package let accuracy: (top1: Double, top5: Double)?

    /// As it is printed everywhere.
    package var text: String {
        let loss = "validation loss \(formatted(loss))"
        guard let accuracy else { return loss }
        return loss + String(format: ", top-1 %.2f%%, top-5 %.2f%%", 100 * accuracy.top1, 100 * accuracy.top5)
    }
}

/// Evaluates all samples of `loader`, each framed and masked in a way that is always the same.
///
/// The samples are cut into chunks of `chunk`, which go round the ranks; each sample's loss is then summed in the
/// order of the samples, so that the result does not depend on the number of ranks. Collective: all ranks get the
/// result, or all throw.
package func evaluate(
    _ replica: borrowing Replica, loader: BatchLoader, chunk: Int, world: World
) throws -> Evaluation {
    let (model, count) = (replica.model, loader.count)
    var losses = [Double](repeating: 0, count: count)
    // How many classes a classifier takes for likelier than the sample's own.
    var ranks = [Double](repeating: 0, count: model.classifier == nil ? 0 : count)
    try world.agree {
        loader.begin(
            BatchSequence(first: world.rank * chunk, size: chunk, stride: world.size * chunk, end: count),
            for: .evaluation)
        while let loaded = try loader.next() {
            let batch = model.batch(loaded)
            replica.forward(batch)
            replica.loss(batch)
            for (slot, sample) in loaded.positions.enumerated() {
                losses[sample] = replica.imageLosses[slot]
                guard case .logits(let logits, let classes) = replica.outputs else { continue }
                ranks[sample] = Double(
                    rank(of: Int(loaded.labels[slot]), in: logits + slot * classes, classes: classes))
            }
        }
    }
    world.sum(&losses)
    if model.classifier != nil { world.sum(&ranks) }
    func share(_ places: Double) -> Double { Double(ranks.count { $0 < places }) / Double(count) }
    return Evaluation(
        loss: losses.reduce(0, +) / Double(count * loader.lossTerms),
        accuracy: model.classifier == nil ? nil : (share(1), share(5)))
}

/// What `evaluateCheckpoint` found.
package struct CheckpointEvaluation: Sendable {
    /// What the model achieves.
    package let result: Evaluation
    /// The number of samples.
    package let samples: Int
    /// The model file that was evaluated.
    package let file: String
    /// Damaged checkpoints that were passed over. Rank 0's alone.
    package let warnings: [Failure]
}

/// Evaluates the checkpoint that `path` means (see `CheckpointStore.modelFile`) on the shards in `data`.
///
/// `maskRatio` nil takes the ratio of the training. Every rank reads the checkpoint. Collective: all ranks get the result, or all throw.
package func evaluateCheckpoint(
    _ path: String, data: String, maskRatio: Double?, precision: Precision, threads: Int, world: World
) throws -> CheckpointEvaluation {
    let loaded = try LoadedModel(path, precision: precision, threads: threads, world: world)
    let loader = try loaded.loader(
        of: data, maskRatio: maskRatio ?? loaded.stored.maskRatio, isLabelled: true, world: world)
    let result = try evaluate(loaded.replica, loader: loader, chunk: loaded.replica.capacity, world: world)
    return CheckpointEvaluation(
        result: result, samples: loader.count, file: loaded.file, warnings: loaded.warnings)
}

/// A validation loss as it is printed everywhere; a NaN without its sign, which means nothing and differs between processors.
package func formatted(_ loss: Double) -> String { String(format: "%.6f", loss.isNaN ? .nan : loss) }
