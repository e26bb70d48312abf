import Collectives
import CrateModel
import Foundation
import Training

package struct StepPlan: Encodable, Equatable, Sendable {
    package let nodes, ranks: Int
    /// `microBatch` is the number of images per pass.
    package let imagesPerRank, microBatch: Int
    package let passSeconds: Double
    /// Deriving ISTA's maps from their dictionaries, and the gradients of these.
    package let weightSeconds: Double
    /// Clearing gradients, and adding those of virtual ranks on the same rank.
    package let sumSeconds: Double
    /// Gradient norm, AdamW and the weights' average for the rank's part.
    package let optimizerSeconds: Double
    /// The part of the sum over the ranks that overlaps with the backward pass.
    package let hiddenSeconds: Double
    /// The part of the sum over the ranks that does not overlap, the gather of the parameters, and the report of the
    /// step.
    package let exposedSeconds: Double

    /// Clearing writes 4 bytes per value; adding a virtual rank copies it to its level (8) and adds it (12).
    private static let (bytesOfClearing, bytesOfLeaf) = (4.0, 20.0)
    /// The norm reads 4 bytes per value; AdamW reads 16 and writes 12.
    private static let bytesOfUpdate = 32.0
    /// An average is read and written beside the parameter.
    private static let bytesOfAverage = 8.0

    /// The step of `configuration` on `nodes` nodes: operations (`StepOperations`) over the rate reached by a rank,
    /// bytes over the memory bandwidth, and the times of `TreeTimes`. Throws `Failure` if the batch does not divide
    /// over the ranks.
    package init(
        _ configuration: TrainingConfiguration, nodes: Int, _ cluster: ClusterDescription, bucketBytes: Int
    ) throws {
        let ranks = nodes * cluster.ranksPerNode
        _ = try configuration.samplesPerVirtualRank(ranks: ranks)
        let model = try Model(configuration.model)
        let counts = try model.operations(visible: configuration.visiblePatches)
        let (values, ownRanks) = (Double(model.layout.bufferCount), configuration.virtualRanks / ranks)
        let (ownLeaves, rate) = (Double(ownRanks), cluster.rates.reached * Double(cluster.threads))

        self.nodes = nodes
        self.ranks = ranks
        microBatch = configuration.microBatch
        imagesPerRank = configuration.batchSize / ranks
        let operations = StepOperations(
            model, counts, images: imagesPerRank, microBatch: microBatch, virtualRanks: ownRanks,
            threads: cluster.threads)
        passSeconds = operations.passes / rate
        weightSeconds = operations.weights / rate
        sumSeconds =
            values * (ownLeaves * Self.bytesOfClearing + (ownLeaves - 1) * Self.bytesOfLeaf) / cluster.memoryBandwidth
        let bytesOfUpdate = Self.bytesOfUpdate + (configuration.ema == nil ? 0 : Self.bytesOfAverage)
        optimizerSeconds = values / Double(ranks) * bytesOfUpdate / cluster.memoryBandwidth

        let tree = TreeTimes(nodes: nodes, cluster)
        let shares = PassShares(counts)
        let lastPass = Double(microBatch) * operations.perImage / rate
        let partition = Partition(count: model.layout.bufferCount, bucketCount: bucketBytes / 4, ranks: ranks)
        let buckets = shares.buckets(partition, of: model.layout, passSeconds: lastPass)
        let reduction = tree.overlap(buckets, wire: configuration.wire, until: shares.backwardShare * lastPass)
        hiddenSeconds = reduction.whole - reduction.exposed
        // The sum of the step report, in doubles, modelled as halving although MPI chooses the algorithm.
        let doubles = StepReport.count(virtualRanks: configuration.virtualRanks, blocks: partition.blocks, ranks: ranks)
        let report = 2 * doubles
        exposedSeconds =
            reduction.exposed + buckets.reduce(tree.gather(count: report)) { $0 + tree.gather(count: $1.count) }
            + tree.reduction(count: report, wire: .fp32)
    }

    package var seconds: Double {
        passSeconds + weightSeconds + sumSeconds + optimizerSeconds + exposedSeconds
    }
}

/// Floating-point operations of a step's matrix products on one rank, including idle threads. For N images in
/// micro-batches of m, v virtual ranks, `threads` threads and D channels:
///
///     passes  = N nominal u
///     weights = (1 + v) depth 2 D^3
///
/// u accounts for threads without an image of a micro-batch: with s = ceil(m / threads) threads / m it is (2 s + 1) /
/// 3, since a third of the products, the gradients of weights, are not divided by images.
struct StepOperations {
    let perImage: Double
    /// Forward and backward passes of all images.
    let passes: Double
    /// ISTA's maps from their dictionaries once per step, and their gradients once per virtual rank.
    let weights: Double

    init(_ model: Model, _ counts: ModelOperations, images: Int, microBatch: Int, virtualRanks: Int, threads: Int) {
        let rounds = Double((microBatch + threads - 1) / threads * threads) / Double(microBatch)
        perImage = counts.nominal * (2 * rounds + 1) / 3
        passes = Double(images) * perImage
        let derived = [.crate, .tost].contains(model.configuration.architecture) ? model.configuration.depth : 0
        weights = Double(1 + virtualRanks) * Double(derived) * 2 * pow(Double(model.configuration.dim), 3)
    }
}
