import ArgumentParser
import HDF5
import Settings
import Shards
import Training

struct FeaturesCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "features",
        abstract: "Write the encoder's features of all samples to an HDF5 file, alone or under mpirun.",
        discussion: """
            crate features --checkpoint runs/tiny --data shards/val --output features.h5
            mpirun -n 8 crate features --checkpoint runs/tiny --data shards/train \\
                --layers all --pooling mean class --output features.h5
            """)

    @OptionGroup var features: FeatureOptions
    @Option(help: ArgumentHelp("Shard directory to take samples from.", valueName: "dir"))
    var data: String
    @Option(help: ArgumentHelp("The file to write.", valueName: "file.h5"))
    var output: String
    @OptionGroup var speed: SpeedOptions

    func run() throws {
        try runWithWorld { world in
            let loaded = try features.load(speed, world)
            let sources = try world.agree { try features.sources(of: loaded) }
            let (count, labels, classes) = try world.agree {
                let directory = try ShardDirectory(path: data)
                return (directory.count, world.rank == 0 ? try directory.labels() : [], directory.index.classes)
            }
            var writer = try world.agree {
                world.rank == 0
                    ? try FeatureFile(
                        path: output, names: sources.map(\.name), count: count, dim: loaded.model.configuration.dim,
                        attributes: ["checkpoint": loaded.file, "data": data]) : nil
            }
            try loaded.features(of: data, sources, world: world) { try writer?.write($0, $1) }
            try world.agree { try writer?.finish(labels: labels, classes: classes) }
            if world.rank == 0 {
                printLine("\(output): \(sources.count) x \(count) x \(loaded.model.configuration.dim)")
            }
        }
    }
}
