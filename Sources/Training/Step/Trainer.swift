import Base
import Collectives
import CrateModel
import Loader
import Optimizers
import Shards

/// A rank's replica and all that it trains with; memory is allocated once.
package struct Trainer: ~Copyable {
    package let configuration: TrainingConfiguration
    package let replica: Replica
    package let optimizer: Optimizer
    package let partition: Partition
    package let world: World
    package let options: DistributionOptions
    package let loader: BatchLoader
    package let exchange: GradientExchange
    package let report: StepReport
    /// This rank's corrupt samples of the step.
    var substitutions: [Substitution] = []
    let fault = FaultInjection()

    /// A replica that trains on the shards in `data` on `threads` threads. Collective: all ranks have one, or all throw.
    package init(
        _ configuration: TrainingConfiguration, data: String, threads: Int, _ options: DistributionOptions,
        onCorruption: CorruptionPolicy = .stop, _ world: World
    ) throws {
        _ = try configuration.samplesPerVirtualRank(ranks: world.size)
        let model = try world.agree { try configuration.makeModel() }
        let partition = Partition(
            count: model.layout.bufferCount, bucketCount: options.bucketBytes / 4, ranks: world.size)
        let loader = try world.agree { try configuration.makeLoader(data, onCorruption) }
        let replica = try world.agree {
            try Replica(
                model, images: configuration.microBatch, precision: configuration.precision,
                team: ThreadTeam(count: threads), isTrained: true)
        }
        let optimizer = try world.agree {
            try Optimizer(
                model.layout, rule: configuration.rule, parts: partition.parts(of: world.rank)
            ) { configuration.rateFactor($0, of: model) }
        }
        let exchange = try world.agree {
            try GradientExchange(
                world, partition, leaves: configuration.virtualRanks / world.size,
                gradients: replica.gradients.pointer, parameters: replica.parameters.pointer, wire: configuration.wire)
        }
        let report = try world.agree {
            try StepReport(virtualRanks: configuration.virtualRanks, blocks: partition.blocks, ranks: world.size)
        }
        self.configuration = configuration
        self.replica = replica
        self.optimizer = optimizer
        self.loader = loader
        self.exchange = exchange
        self.report = report
        self.partition = partition
        self.world = world
        self.options = options
    }
}
