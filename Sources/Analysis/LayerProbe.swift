import Base
import Collectives
import CrateModel
import Probing
import Shards

package struct LayerProbe: Codable, Equatable, Sendable {
    /// The encoder block, counted from 1, or `norm`.
    package let layer: String
    package let pooling: Pooling
    package let result: ProbeResult
}

extension LoadedModel {
    /// Probes `sources` one by one: trains on the features of all samples of the shards in `training` and evaluates on
    /// those in `validation`. `report` is called with each result on rank 0.
    ///
    /// All ranks compute features; rank 0 solves. The result does not depend on the number of ranks or threads.
    /// Collective: all ranks return, or all throw.
    package borrowing func probe(
        _ sources: [FeatureSource], training: String, validation: String, with probe: LinearProbe, world: World,
        report: (LayerProbe) throws -> Void
    ) throws {
        let isSolving = world.rank == 0
        let classes = try world.agree { try ShardIndex.load(directory: training).classes }
        try world.agree {
            try ClassMeanings(try ShardIndex.load(directory: validation).classes, of: validation).requireSame(
                as: ClassMeanings(classes, of: training), hint: "shard it again with --classes \(training)/index.json")
        }
        var memory = Arena()
        let fitted = try collect(sources, training, classes.count, in: &memory, world)
        let judged = try collect(sources, validation, classes.count, in: &memory, world)
        for (index, source) in sources.enumerated() {
            try world.agree {
                guard isSolving else { return }
                let result = try probe.solve(fitted[index], judged[index], team: replica.team)
                try report(LayerProbe(layer: source.layer, pooling: source.pooling, result: result))
            }
        }
    }

    /// The features at `sources` of all samples of `data`; empty on ranks other than 0.
    private borrowing func collect(
        _ sources: [FeatureSource], _ data: String, _ classes: Int, in memory: inout Arena, _ world: World
    ) throws -> [LabelledFeatures] {
        let dim = model.configuration.dim
        let layers = try world.agree {
            guard world.rank == 0 else { return [LabelledFeatures]() }
            let labels = try ShardDirectory(path: data).labels()
            return try sources.map { _ in
                try LabelledFeatures(labels: labels, dim: dim, classes: classes, name: data, in: &memory)
            }
        }
        try features(of: data, sources, world: world) { samples, rows in
            for (layer, row) in zip(layers, rows) {
                layer[samples.lowerBound].update(from: row, count: samples.count * dim)
            }
        }
        return layers
    }
}
