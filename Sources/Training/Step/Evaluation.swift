import Analysis
import Base
import Checkpoints
import Collectives
import CrateModel
import Kernels
import Loader

/// Results of a model on a whole validation set.
package struct Evaluation: Sendable {
    /// Mean over all samples.
    package let loss: Double
    /// Top-1 and top-5 accuracy of a classifier.
    package let accuracy: (top1: Double, top5: Double)?

    /// As printed everywhere.
    package var text: String {
        let loss = "validation loss \(formatted(loss))"
        guard let accuracy else { return loss }
        return loss + String(format: ", top-1 %.2f%%, top-5 %.2f%%", 100 * accuracy.top1, 100 * accuracy.top5)
    }
}

/// Evaluates all samples of `loader` with a fixed crop and mask.
///
/// Chunks of `chunk` samples are distributed over the ranks; the losses are then summed in the order of the samples, so the result does
/// not depend on the number of ranks. Collective: all ranks get the result, or all throw.
package func evaluate(
    _ replica: borrowing Replica, loader: BatchLoader, chunk: Int, world: World
) throws -> Evaluation {
    let (model, count) = (replica.model, loader.count)
    var losses = [Double](repeating: 0, count: count)
    // The rank of the right class among all classes, from 0.
    var ranks = [Double](repeating: 0, count: model.classifier == nil ? 0 : count)
    try world.agree {
        loader.begin(
            BatchSequence(first: world.rank * chunk, size: chunk, stride: world.size * chunk, end: count),
            for: .evaluation)
        while let loaded = try loader.next() {
            let batch = model.batch(loaded)
            replica.forward(batch)
            replica.loss(batch)
            WorkDone.add()
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

extension Trainer {
    /// Evaluates the parameters on all samples of `loader`, and then their average if there is one, which takes their place
    /// meanwhile: only the owners of its parts have them in memory. Collective: all ranks get the results, or all throw.
    borrowing func evaluate(on loader: BatchLoader) throws -> (trained: Evaluation, average: Evaluation?) {
        let trained = try evaluation(loader)
        guard configuration.ema != nil else { return (trained, nil) }
        swapAverage()
        defer { swapAverage() }
        return (trained, try evaluation(loader))
    }

    private borrowing func evaluation(_ loader: BatchLoader) throws -> Evaluation {
        try Training.evaluate(replica, loader: loader, chunk: configuration.microBatch, world: world)
    }

    private borrowing func swapAverage() {
        optimizer.swapAverage(with: replica.parameters.pointer)
        exchange.gatherParameters()
        replica.parametersChanged()
    }
}

package struct CheckpointEvaluation: Sendable {
    package let result: Evaluation
    package let samples: Int
    /// The evaluated model file.
    package let file: String
    /// Corrupt checkpoints that were skipped, only on rank 0, and that nobody knows which classes the model tells apart.
    package let warnings: [Failure]
}

/// Evaluates the checkpoint that `path` denotes (see `CheckpointStore.modelFile`) on the shards in `data`.
///
/// `maskRatio` nil is that of the training. Every rank reads the checkpoint. Collective: all ranks get the result, or all throw.
package func evaluateCheckpoint(
    _ path: String, weights: StoredWeights, data: String, maskRatio: Double?, precision: Precision,
    products: ProductBackend = .fastest,
    threads: Int, world: World
) throws -> CheckpointEvaluation {
    let loaded = try LoadedModel(
        path, weights: weights, precision: precision, products: products, threads: threads, world: world)
    try world.agree { try loaded.requireClasses(of: data) }
    let loader = try loaded.loader(
        of: data, maskRatio: maskRatio ?? loaded.stored.maskRatio, isLabelled: true, world: world)
    let result = try evaluate(loaded.replica, loader: loader, chunk: loaded.replica.capacity, world: world)
    try loaded.requireFinite("losses", result.loss.isFinite)
    return CheckpointEvaluation(
        result: result, samples: loader.count, file: loaded.file,
        warnings: loaded.warnings + [loaded.namelessClasses].compactMap(\.self))
}

/// A loss as printed everywhere; NaN without its sign, which differs between processors.
package func formatted(_ loss: Double) -> String { String(format: "%.6f", loss.isNaN ? .nan : loss) }
