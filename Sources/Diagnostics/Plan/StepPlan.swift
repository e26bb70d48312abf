import Collectives
import CrateModel
import Training

/// What one step costs on a number of nodes.
package struct StepPlan: Encodable, Equatable, Sendable {
    /// Nodes, and ranks over all of them.
    package let nodes, ranks: Int
    /// Images of a step on a rank, and of one pass.
    package let imagesPerRank, microBatch: Int
    /// Forward and backward passes.
    package let passSeconds: Double
    /// ISTA's maps from their dictionaries and back.
    package let weightSeconds: Double
    /// Clearing gradients, and adding those of virtual ranks of the same rank.
    package let sumSeconds: Double
    /// Gradient norm and AdamW of the rank's part.
    package let optimizerSeconds: Double
    /// The sum over the ranks as far as the backward pass hides it.
    package let hiddenSeconds: Double
    /// The sum over the ranks as far as it is waited for, the way back of the parameters, and the report of the step.
    package let exposedSeconds: Double

    /// Clearing writes 4 bytes a value; adding a virtual rank copies it to wait (8) and adds it (12).
    private static let (bytesOfClearing, bytesOfLeaf) = (4.0, 20.0)
    /// The norm reads 4 bytes a value; AdamW reads 16 and writes 12.
    private static let bytesOfUpdate = 32.0

    /// The step of `configuration` on `nodes` nodes: operations (`StepOperations`) over the rate of a rank's products times the
    /// fraction reached, bytes over the memory's bandwidth, and what `TreeTimes` says. Throws `Failure` when the batch does not
    /// divide.
    package init(
        _ configuration: TrainingConfiguration, nodes: Int, _ cluster: ClusterDescription, bucketBytes: Int
    ) throws {
        let ranks = nodes * cluster.ranksPerNode
        _ = try configuration.samplesPerVirtualRank(ranks: ranks)
        let (shape, model) = (configuration.model, try Model(configuration.model))
        let (values, ownRanks) = (Double(model.layout.bufferCount), configuration.virtualRanks / ranks)
        let (ownLeaves, rate) = (Double(ownRanks), cluster.rates.reached * Double(cluster.threads))

        self.nodes = nodes
        self.ranks = ranks
        microBatch = configuration.microBatch
        imagesPerRank = configuration.batchSize / ranks
        let operations = StepOperations(
            model, images: imagesPerRank, microBatch: microBatch, virtualRanks: ownRanks, threads: cluster.threads)
        passSeconds = operations.passes / rate
        weightSeconds = operations.weights / rate
        sumSeconds =
            values * (ownLeaves * Self.bytesOfClearing + (ownLeaves - 1) * Self.bytesOfLeaf) / cluster.memoryBandwidth
        optimizerSeconds = values / Double(ranks) * Self.bytesOfUpdate / cluster.memoryBandwidth

        let tree = TreeTimes(nodes: nodes, cluster)
        let shares = PassShares(shape, visible: 1 - configuration.maskRatio)
        let lastPass = Double(microBatch) * operations.perImage / rate
        let partition = Partition(count: model.layout.bufferCount, bucketCount: bucketBytes / 4, ranks: ranks)
        let buckets = shares.buckets(partition, of: model.layout, passSeconds: lastPass)
        let reduction = tree.overlap(buckets, wire: configuration.wire, until: shares.backwardShare * lastPass)
        hiddenSeconds = reduction.whole - reduction.exposed
        // MPI's sum of the report of doubles, as if it were done by halves.
        let doubles = StepReport.count(
            virtualRanks: configuration.virtualRanks, blocks: partition.blocks, ranks: ranks)
        let report = 2 * doubles
        exposedSeconds =
            reduction.exposed + buckets.reduce(tree.gather(count: report)) { $0 + tree.gather(count: $1.count) }
            + tree.reduction(count: report, wire: .fp32)
    }

    /// The whole step.
    package var seconds: Double {
        passSeconds + weightSeconds + sumSeconds + optimizerSeconds + exposedSeconds
    }
}
