import Base
import Collectives
import CrateModel
import Kernels
import Loader
import Optimizers
import Settings
import Shards

/// A rank's replica with everything that trains it; memory is allocated once.
package struct Trainer: ~Copyable {
    package let configuration: TrainingConfiguration
    package let replica: Replica
    package let optimizer: Optimizer
    package let partition: Partition
    package let world: World
    let checkEvery: Int
    let onNonFinite: NonFinitePolicy
    let stochasticDepth: StochasticDepth?
    package let loader: BatchLoader
    package let exchange: GradientExchange
    package let report: StepReport
    /// Corrupt samples of the step on this rank.
    var substitutions: [Substitution] = []
    let fault = FaultInjection()
}

extension Trainer {
    /// Trains on the shards in `data` on `threads` threads, and exchanges gradients in buckets of `bucketBytes`. Every `checkEvery` steps the
    /// ranks compare their parameters; 0 for never. With `encodesWholeImages` the replica also takes images of which nothing is hidden.
    /// Collective: all ranks have a trainer, or all throw.
    package init(
        _ configuration: TrainingConfiguration, data: String, threads: Int, products: ProductBackend = .fastest,
        bucketBytes: Int, encodesWholeImages: Bool = false, checkEvery: Int = 0, onNonFinite: NonFinitePolicy = .stop,
        onCorruption: CorruptionPolicy = .stop, _ world: World
    ) throws {
        _ = try configuration.samplesPerVirtualRank(ranks: world.size)
        let model = try world.agree { try configuration.makeModel() }
        let partition = Partition(
            count: model.layout.bufferCount, bucketCount: bucketBytes / 4, ranks: world.size)
        let loader = try world.agree { try configuration.makeLoader(data, onCorruption) }
        let replica = try world.agree {
            try Replica(
                model, images: configuration.microBatch,
                visible: encodesWholeImages ? nil : configuration.visiblePatches,
                precision: configuration.precision,
                products: products, team: ThreadTeam(count: threads), isTrained: true)
        }
        let optimizer = try world.agree {
            try Optimizer(
                model.layout, rule: configuration.rule, average: configuration.ema.map(WeightAverage.init),
                parts: partition.parts(of: world.rank)
            ) { configuration.rateFactor($0, of: model) }
        }
        let stochasticDepth = try world.agree { try StochasticDepth.of(configuration, model) }
        let exchange = try world.agree {
            try GradientExchange(
                world, partition, leaves: configuration.virtualRanks / world.size,
                gradients: replica.gradients.pointer, parameters: replica.parameters.pointer, wire: configuration.wire)
        }
        let report = try world.agree {
            try StepReport(virtualRanks: configuration.virtualRanks, blocks: partition.blocks, ranks: world.size)
        }
        self.init(
            configuration: configuration, replica: replica, optimizer: optimizer, partition: partition, world: world,
            checkEvery: checkEvery, onNonFinite: onNonFinite, stochasticDepth: stochasticDepth, loader: loader,
            exchange: exchange, report: report)
    }
}
