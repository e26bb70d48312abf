import Base
import Foundation
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
        nodes: Int, _ cluster: ClusterDescription, bucketBytes: Int,
        configuration: (_ ranks: Int) throws -> TrainingConfiguration
    ) throws {
        try cluster.validate(nodes: nodes)
        let ranks = nodes * cluster.ranksPerNode
        let own = try configuration(ranks)
        _ = try own.samplesPerVirtualRank(ranks: ranks)
        steps = own.schedule.totalSteps
        memoryBytes = try MemoryPlan(own, ranks: ranks, threads: cluster.threads, bucketBytes: bucketBytes)
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
