import Collectives
import CrateModel
import Files
import Foundation
import Images
import Kernels
import Shards

/// Everything that decides what a pretraining run computes; stored with it as `config.json`.
public struct PretrainConfiguration: Codable, Equatable, Sendable {
    /// The model.
    public var model: ModelConfiguration
    /// Samples of a step over all ranks.
    public var batchSize: Int
    /// Parts of a step whose gradients are summed in a tree, the same parts on any number of ranks.
    public var virtualRanks: Int
    /// Samples of one forward and backward pass.
    public var microBatch: Int
    /// The precision of products.
    public var precision: Precision
    /// How gradients travel between virtual ranks.
    public var wire: WireFormat
    /// The learning rate of every step, and the number of steps.
    public var schedule: LearningRate
    /// AdamW's decoupled weight decay.
    public var weightDecay: Double
    /// Largest global norm of the gradients; nil leaves them as they are.
    public var clip: Double?
    /// Fraction of the patches that is hidden.
    public var maskRatio: Double
    /// What pixels are normalised with.
    public var normalisation: Normalisation
    /// Key of everything random.
    public var seed: UInt64
    /// Samples of the training set.
    public var sampleCount: Int

    /// A run from its parts.
    public init(
        model: ModelConfiguration, batchSize: Int, virtualRanks: Int, microBatch: Int, precision: Precision,
        wire: WireFormat, schedule: LearningRate,
        weightDecay: Double, clip: Double?, maskRatio: Double, normalisation: Normalisation, seed: UInt64,
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
        self.normalisation = normalisation
        self.seed = seed
        self.sampleCount = sampleCount
    }

    /// Samples of a step of each virtual rank. Throws `Failure` when the batch does not divide into virtual ranks and
    /// micro-batches, or the virtual ranks over `ranks` ranks.
    public func samplesPerVirtualRank(ranks: Int) throws -> Int {
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
    public func isIndependentOf(ranks: Int) -> Bool {
        let share = virtualRanks / ranks
        return ranks & (ranks - 1) == 0 && share & (share - 1) == 0
    }

    /// Every setting as text, by its name.
    var fields: [String: String] {
        get throws {
            let object = try JSONSerialization.jsonObject(with: JSONEncoder().encode(self)) as? [String: Any] ?? [:]
            var fields: [String: String] = [:]
            for (name, value) in object {
                for (inner, value) in value as? [String: Any] ?? ["": value] {
                    fields[inner.isEmpty ? name : "\(name).\(inner)"] = "\(value)"
                }
            }
            return fields
        }
    }

    /// The largest micro-batch of at most 8 that divides the samples of a virtual rank; larger ones gain nothing.
    public static func defaultMicroBatch(batchSize: Int, virtualRanks: Int) -> Int {
        let samples = max(1, batchSize / virtualRanks)
        return (1...min(8, samples)).last { samples % $0 == 0 } ?? 1
    }

    /// Whether something that happens every `epochs` epochs is due after `step` steps.
    func isDue(every epochs: Int, after step: Int) -> Bool {
        let period = sampleCount * epochs
        return step * batchSize / period > (step - 1) * batchSize / period
    }

    /// The epoch, a fraction, after `step` steps.
    public func epoch(after step: Int) -> Double { Double(step * batchSize) / Double(sampleCount) }

    /// The micro-batches that rank `rank` of `ranks` computes from step `step` on to the end of the schedule: its virtual
    /// ranks' positions follow each other, and the next step's are a batch further.
    func batches(from step: Int, rank: Int, ranks: Int) -> BatchSequence {
        let share = batchSize / ranks
        return BatchSequence(
            first: step * batchSize + rank * share, size: microBatch, sizesInARow: share / microBatch,
            stride: batchSize,
            end: schedule.totalSteps * batchSize)
    }
}
