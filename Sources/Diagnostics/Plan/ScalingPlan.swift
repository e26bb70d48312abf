import Base
import Collectives
import CrateModel
import Foundation
import Kernels
import Loader
import Training

/// The cost of a run on a cluster, and on 1, 2, 4, ... of its nodes.
package struct ScalingPlan: Encodable, Equatable, Sendable {
    package struct Run: Encodable, Equatable, Sendable {
        package let step: StepPlan
        package let stepSeconds: Double
        package let imagesPerSecond: Double
        package let days: Double
        /// For the whole run: hours times the cores of all ranks.
        package let coreHours: Double
        /// Relative to half the nodes; nil for one node.
        package let speedup: Double?
    }

    package let steps: Int
    package let memoryBytes: MemoryPlan
    package let memoryBytesTotal: Int
    /// The run on the requested number of nodes.
    package let run: Run
    /// The runs on 1, 2, 4, ... nodes, up to the requested number or to the first that is not worthwhile, whichever is
    /// larger.
    package let scaling: [Run]
    /// The largest worthwhile number of nodes: every doubling up to it speeds up the run by at least `payingSpeedup`.
    package let payingNodes: Int
    /// Why the next doubling is not worthwhile or not possible.
    package let reason: String

    /// The minimum speedup from doubling the nodes that is worthwhile.
    package static let payingSpeedup = 1.4

    /// `configuration` returns the run's configuration for a number of ranks. Throws `Failure` if the cluster is
    /// invalid or the batch does not divide over the ranks of `nodes` nodes.
    package init(
        nodes: Int, _ cluster: ClusterDescription, products: ProductBackend = .fastest, bucketBytes: Int,
        configuration: (_ ranks: Int) throws -> TrainingConfiguration
    ) throws {
        try cluster.validate(nodes: nodes)
        let ranks = nodes * cluster.ranksPerNode
        let own = try configuration(ranks)
        _ = try own.samplesPerVirtualRank(ranks: ranks)
        steps = own.schedule.totalSteps
        memoryBytes = try MemoryPlan(
            own, ranks: ranks, threads: cluster.threads, products: products, bucketBytes: bucketBytes)
        memoryBytesTotal = memoryBytes.total

        var runs: [Run] = []
        var stop: (nodes: Int, reason: String)?
        var next = 1
        while next <= nodes || stop == nil {
            do {
                let configuration = try configuration(next * cluster.ranksPerNode)
                let step = try StepPlan(configuration, nodes: next, cluster, bucketBytes: bucketBytes)
                runs.append(Run(step, configuration, threads: cluster.threads, half: runs.last))
            } catch let failure as Failure where next > nodes {
                stop = stop ?? (next / 2, failure.problem)
                break
            }
            if let speedup = runs[runs.count - 1].speedup, speedup < Self.payingSpeedup, stop == nil {
                stop = (next / 2, String(format: "%d are only %.2f times as fast as %d", next, speedup, next / 2))
            }
            next *= 2
        }
        scaling = runs
        run = runs.first { $0.step.nodes == nodes } ?? runs[0]
        payingNodes = stop?.nodes ?? next
        reason = stop?.reason ?? ""
    }
}

extension ScalingPlan.Run {
    init(_ step: StepPlan, _ configuration: TrainingConfiguration, threads: Int, half: Self?) {
        let hours = Double(configuration.schedule.totalSteps) * step.seconds / 3600
        self.step = step
        stepSeconds = step.seconds
        imagesPerSecond = Double(configuration.batchSize) / step.seconds
        days = hours / 24
        coreHours = hours * Double(step.ranks * threads)
        speedup = half.map { $0.stepSeconds / step.seconds }
    }
}

/// Bytes that rank 0 allocates for training, by kind. Other ranks do not store the parameters of a checkpoint, and may
/// own a few more blocks of moments. The program and its libraries add some tens of megabytes.
package struct MemoryPlan: Encodable, Equatable, Sendable {
    package let parameters: Int
    /// Of one virtual rank.
    package let gradients: Int
    /// AdamW's two moments of the rank's part of the parameters, and their average if there is one.
    package let moments: Int
    /// Kept from the forward pass for the backward pass.
    package let activations: Int
    /// Not needed after a layer has run.
    package let scratch: Int
    /// Micro-batches that are ready or being read (`BatchLoader`); an evaluation has its own, as many again.
    package let readAhead: Int
    package let preparedWeights: Int
    /// Sums of virtual ranks that wait for their sibling in the tree (`LeafSum`).
    package let treeLevels: Int
    package let messages: Int
    /// Copies of parameters and moments that are written during training (`CheckpointWriter`).
    package let checkpoint: Int

    /// Throws `Failure` on integer overflow.
    package init(
        _ configuration: TrainingConfiguration, ranks: Int, threads: Int, products: ProductBackend = .fastest,
        bucketBytes: Int
    ) throws {
        let model = try Model(configuration.model)
        let passes = try ReplicaBytes(
            model, images: configuration.microBatch, visible: configuration.visiblePatches,
            precision: configuration.precision, products: products,
            threads: threads)
        let (count, float) = (model.layout.bufferCount, MemoryLayout<Float>.stride)
        let levels = LeafSum.levelCount(leaves: configuration.virtualRanks / ranks)
        parameters = count * float
        gradients = count * float
        let parts = Partition(count: count, bucketCount: bucketBytes / 4, ranks: ranks).parts(of: 0)
        moments = (configuration.ema == nil ? 2 : 3) * parts.reduce(0) { $0 + $1.count } * float
        activations = passes.activations
        scratch = passes.scratch
        readAhead = BatchLoader.byteCount(
            images: configuration.microBatch,
            patchValues: configuration.model.patchCount * configuration.model.patchValueCount,
            patchCount: configuration.model.patchCount)
        preparedWeights = passes.preparedWeights
        treeLevels = levels * count * float
        let largest = model.layout.parameters.map(\.count).max() ?? 0
        checkpoint = parameters + moments + largest * float
        // One incoming piece in fp32; in bf16 two of half the size, one in each direction.
        messages = ranks == 1 ? 0 : GradientExchange.pieceCount * float
    }

    package var total: Int {
        parameters + gradients + moments + activations + scratch + readAhead + preparedWeights + treeLevels + messages
            + checkpoint
    }
}
