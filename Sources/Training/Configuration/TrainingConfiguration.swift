import Base
import Collectives
import CrateModel
import Foundation
import Images
import Kernels
import Loader
import Optimizers
import Shards

/// Everything that decides what a run computes; `fields` are stored with it.
package struct TrainingConfiguration: Codable, Equatable, Sendable {
    /// The model; for a classifier its encoder.
    package var model: ModelConfiguration
    /// Samples of a step over all ranks.
    package var batchSize: Int
    /// Parts of a step whose gradients are summed in a tree, the same parts on any number of ranks.
    package var virtualRanks: Int
    /// Samples of one forward and backward pass.
    package var microBatch: Int
    /// The precision of products.
    package var precision: Precision
    /// How gradients travel between virtual ranks.
    package var wire: WireFormat
    /// The learning rate of every step, and the number of steps.
    package var schedule: LearningRate
    /// Decoupled weight decay.
    package var weightDecay: Double
    /// Largest global norm of the gradients; nil leaves them as they are.
    package var clip: Double?
    /// Fraction of the patches that is hidden; 0 for a classifier.
    package var maskRatio: Double
    /// What a classifier is trained for; nil in pretraining.
    package var classification: ClassificationTask?
    /// What pixels are normalised with.
    package var normalisation: Normalisation
    /// All random numbers of the run are functions of it and of what they are for.
    package var seed: UInt64
    /// Samples of the training set.
    package var sampleCount: Int

    /// A run from its parts.
    package init(
        model: ModelConfiguration, batchSize: Int, virtualRanks: Int, microBatch: Int, precision: Precision,
        wire: WireFormat, schedule: LearningRate,
        weightDecay: Double, clip: Double?, maskRatio: Double, classification: ClassificationTask? = nil,
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
        self.maskRatio = maskRatio
        self.classification = classification
        self.normalisation = normalisation
        self.seed = seed
        self.sampleCount = sampleCount
    }

    /// The model that is trained. Throws `Failure` where a classifier's configuration makes no sense.
    package func makeModel() throws -> Model {
        guard let task = classification else { return try Model(model) }
        return try Model(
            ClassifierConfiguration(model, form: task.form, pooling: task.pooling, classes: task.labels.classes))
    }

    /// The optimiser with its settings.
    package var rule: UpdateRule { classification?.rule(weightDecay: weightDecay) ?? .adamW(weightDecay: weightDecay) }

    /// What the learning rate is multiplied with for `parameter` of `model`.
    package func rateFactor(_ parameter: Parameter, of model: Model) -> Double {
        classification?.rateFactor(parameter, of: model) ?? 1
    }

    /// Samples of a step of each virtual rank. Throws `Failure` when the batch does not divide into virtual ranks and
    /// micro-batches, or the virtual ranks over `ranks` ranks.
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

    /// Whether `ranks` ranks, on one thread each, compute the bits that any other number computes that is a power of two and
    /// has a power of two of virtual ranks each.
    package func isIndependentOf(ranks: Int) -> Bool {
        let share = virtualRanks / ranks
        return ranks & (ranks - 1) == 0 && share & (share - 1) == 0
    }

    /// The micro-batch m that keeps `threads` threads busiest, so with the least ceil(m / threads) / m: of those that divide the
    /// samples of a virtual rank and are at most `Replica.usefulImages`. Of equal ones the largest.
    package static func defaultMicroBatch(batchSize: Int, virtualRanks: Int, threads: Int) -> Int {
        let samples = max(1, batchSize / virtualRanks)
        let divisors = (1...min(Replica.usefulImages(threads: threads), samples)).filter { samples % $0 == 0 }
        func rounds(_ images: Int) -> Int { (images + threads - 1) / threads }
        return divisors.reduce(1) { best, next in rounds(next) * best <= rounds(best) * next ? next : best }
    }

    /// Whether something that happens every `epochs` epochs is due after `step` steps.
    package func isDue(every epochs: Int, after step: Int) -> Bool {
        let period = sampleCount * epochs
        return step * batchSize / period > (step - 1) * batchSize / period
    }

    /// The epoch, a fraction, after `step` steps.
    package func epoch(after step: Int) -> Double { Double(step * batchSize) / Double(sampleCount) }

    /// The micro-batches that rank `rank` of `ranks` computes from step `step` on to the end of the schedule: its virtual
    /// ranks' positions follow each other, and the next step's are a batch further.
    package func batches(from step: Int, rank: Int, ranks: Int) -> BatchSequence {
        let share = batchSize / ranks
        return BatchSequence(
            first: step * batchSize + rank * share, size: microBatch, sizesInARow: share / microBatch,
            stride: batchSize,
            end: schedule.totalSteps * batchSize)
    }

    /// A loader of the shards in `path` for this configuration's model. Throws `Failure` as `BatchLoader` does.
    package func makeLoader(_ path: String, _ onCorruption: CorruptionPolicy = .stop) throws -> BatchLoader {
        try BatchLoader(
            LoaderSettings(
                path: path, imageSize: model.imageSize, patchSize: model.patchSize, normalisation: normalisation,
                maskRatio: maskRatio, labels: classification?.labels, seed: seed, capacity: microBatch,
                onCorruption: onCorruption))
    }
}
