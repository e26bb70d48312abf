import Base
import Collectives
import CrateModel
import Foundation
import Images
import Kernels
import Loader
import Optimizers
import Shards

/// Everything that determines what a run computes; `fields` are stored with the run.
package struct TrainingConfiguration: Codable, Equatable, Sendable {
    /// For a classifier its encoder.
    package var model: ModelConfiguration
    /// Samples per step over all ranks.
    package var batchSize: Int
    /// Parts of a step whose gradients are summed in a tree, the same on any number of ranks.
    package var virtualRanks: Int
    /// Samples of one forward and backward pass.
    package var microBatch: Int
    /// Of matrix products.
    package var precision: Precision
    /// Of gradients sent between virtual ranks.
    package var wire: WireFormat
    package var schedule: LearningRate
    /// Decoupled weight decay.
    package var weightDecay: Double
    /// Maximum global norm of the gradients; nil disables clipping.
    package var clip: Double?
    /// Decay of the weights' moving average (`WeightAverage`); nil keeps none.
    package var ema: Double?
    /// Probability with which the last block's layers are left out for an image (`StochasticDepth`); nil leaves none out.
    package var dropPath: Double?
    /// Fraction of patches that are masked; 0 for a classifier.
    package var maskRatio: Double
    /// The smallest part of an image that a random crop takes; nil: `RandomResizedCrop.smallestArea`.
    package var cropArea: Double?
    /// Nil in pretraining.
    package var classification: ClassificationTask?
    package var normalisation: Normalisation
    /// All random numbers are functions of the seed and of their purpose.
    package var seed: UInt64
    /// Samples of the training set.
    package var sampleCount: Int

    package init(
        model: ModelConfiguration, batchSize: Int, virtualRanks: Int, microBatch: Int, precision: Precision,
        wire: WireFormat, schedule: LearningRate,
        weightDecay: Double, clip: Double?, ema: Double? = nil, dropPath: Double? = nil,
        maskRatio: Double, cropArea: Double? = nil, classification: ClassificationTask? = nil,
        normalisation: Normalisation, seed: UInt64,
        sampleCount: Int
    ) {
        self.model = model
        self.batchSize = batchSize
        self.virtualRanks = virtualRanks
        self.microBatch = microBatch
        self.precision = precision
        self.wire = wire
        self.schedule = schedule
        self.weightDecay = weightDecay
        self.clip = clip
        self.ema = ema
        self.dropPath = dropPath
        self.maskRatio = maskRatio
        self.cropArea = cropArea
        self.classification = classification
        self.normalisation = normalisation
        self.seed = seed
        self.sampleCount = sampleCount
    }

    /// Throws `Failure` if a classifier's configuration is invalid.
    package func makeModel() throws -> Model {
        guard let task = classification else { return try Model(model) }
        return try Model(
            ClassifierConfiguration(model, form: task.form, pooling: task.pooling, classes: task.labels.classes))
    }

    /// Patches of an image that are not hidden; nil for all. Throws `Failure` if the mask ratio hides none or all.
    package var visiblePatches: Int? {
        get throws {
            guard classification == nil else { return nil }
            return try PatchGrid(imageSize: model.imageSize, patchSize: model.patchSize)
                .visiblePatches(maskRatio: maskRatio)
        }
    }

    package var rule: UpdateRule { classification?.rule(weightDecay: weightDecay) ?? .adamW(weightDecay: weightDecay) }

    /// Factor on the learning rate for `parameter` of `model`.
    package func rateFactor(_ parameter: Parameter, of model: Model) -> Double {
        classification?.rateFactor(parameter, of: model) ?? 1
    }

    /// Samples per step of each virtual rank. Throws `Failure` if the batch does not divide into virtual ranks and micro-batches, or the
    /// virtual ranks over `ranks` ranks.
    package func samplesPerVirtualRank(ranks: Int) throws -> Int {
        guard virtualRanks > 0, virtualRanks % ranks == 0 else {
            throw Failure(
                "\(virtualRanks) virtual ranks do not divide over \(ranks) ranks",
                hint: "choose --virtual-ranks as a multiple of \(ranks)")
        }
        guard batchSize % virtualRanks == 0 else {
            let parts = virtualRanks == ranks ? "ranks" : "virtual ranks"
            throw Failure(
                "batch size \(batchSize) does not divide over \(virtualRanks) \(parts)",
                hint: "choose --batch-size as a multiple of \(virtualRanks)")
        }
        let samples = batchSize / virtualRanks
        guard microBatch > 0, samples % microBatch == 0 else {
            throw Failure(
                "the \(samples) samples a rank of batch size \(batchSize) do not divide into micro-batches of \(microBatch)",
                hint: "choose a --micro-batch that divides \(samples)")
        }
        return samples
    }

    /// Whether `ranks` ranks compute the same bits as any other power of two of ranks that has a power of two of
    /// virtual ranks each.
    package func isIndependentOf(ranks: Int) -> Bool {
        let share = virtualRanks / ranks
        return ranks & (ranks - 1) == 0 && share & (share - 1) == 0
    }

    /// The micro-batch m with the least ceil(m / threads) / m, which keeps `threads` threads busiest, among the divisors of a virtual
    /// rank's samples up to `Replica.usefulImages`; of equals the first from 4 on, since more take memory without being faster.
    package static func defaultMicroBatch(batchSize: Int, virtualRanks: Int, threads: Int) -> Int {
        let samples = max(1, batchSize / virtualRanks)
        let divisors = (1...min(Replica.usefulImages(threads: threads), samples)).filter { samples % $0 == 0 }
        func rounds(_ images: Int) -> Int { (images + threads - 1) / threads }
        return divisors.reduce(1) { best, next in
            let (cost, least) = (rounds(next) * best, rounds(best) * next)
            return cost < least || cost == least && best < 4 ? next : best
        }
    }

    /// Whether an event with a period of `epochs` epochs is due after `step` steps.
    package func isDue(every epochs: Int, after step: Int) -> Bool {
        let period = sampleCount * epochs
        return step * batchSize / period > (step - 1) * batchSize / period
    }

    /// Epochs, a fraction, after `step` steps.
    package func epoch(after step: Int) -> Double { Double(step * batchSize) / Double(sampleCount) }

    /// The micro-batches of rank `rank` of `ranks` from step `step` to the end: the positions of its virtual ranks are consecutive, and
    /// those of the next step are one batch further.
    package func batches(from step: Int, rank: Int, ranks: Int) -> BatchSequence {
        let share = batchSize / ranks
        return BatchSequence(
            first: step * batchSize + rank * share, size: microBatch, sizesInARow: share / microBatch,
            stride: batchSize,
            end: schedule.totalSteps * batchSize)
    }

    /// A loader of the shards in `path`, in an evaluation of `samples` only if given. Throws `Failure` as `BatchLoader` does.
    package func makeLoader(
        _ path: String, _ onCorruption: CorruptionPolicy = .stop, samples: [Int]? = nil
    ) throws -> BatchLoader {
        var settings = LoaderSettings(
            path: path, imageSize: model.imageSize, patchSize: model.patchSize, normalisation: normalisation,
            maskRatio: maskRatio, labels: classification?.labels, seed: seed, capacity: microBatch,
            onCorruption: onCorruption)
        settings.samples = samples
        settings.cropArea = cropArea ?? RandomResizedCrop.smallestArea
        return try BatchLoader(settings)
    }
}
