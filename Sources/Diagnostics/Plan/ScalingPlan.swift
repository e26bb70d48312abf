import Base
import Foundation
import Training

/// What a run costs on a cluster, and on 1, 2, 4, ... of its nodes.
package struct ScalingPlan: Encodable, Equatable, Sendable {
    /// A run on some of the nodes.
    package struct Run: Encodable, Equatable, Sendable {
        /// One step.
        package let step: StepPlan
        /// The whole step in seconds.
        package let stepSeconds: Double
        /// Images a second over all ranks.
        package let imagesPerSecond: Double
        /// Days to the end.
        package let days: Double
        /// Hours to the end times the cores of all ranks.
        package let coreHours: Double
        /// How much shorter the run is than on half of the nodes.
        package let speedup: Double?
    }

    /// Steps of the run.
    package let steps: Int
    /// Bytes that a rank allocates.
    package let memoryBytes: MemoryPlan
    /// Those of all kinds.
    package let memoryBytesTotal: Int
    /// The run on the nodes that were asked for.
    package let run: Run
    /// The runs on 1, 2, 4, ... nodes, to the first that does not pay or the nodes asked for, whichever are more.
    package let scaling: [Run]
    /// The most nodes that pay: every doubling up to there makes the run at least `payingSpeedup` times shorter.
    package let payingNodes: Int
    /// Why the next doubling does not pay, or cannot be.
    package let reason: String

    /// How much shorter twice the nodes have to make a run to pay.
    package static let payingSpeedup = 1.4

    /// The plan of a run on `nodes` nodes. `configuration` gives the run's configuration for a number of ranks.
    ///
    /// Throws `Failure` when the cluster is none, or the batch does not divide over the ranks of `nodes` nodes.
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
