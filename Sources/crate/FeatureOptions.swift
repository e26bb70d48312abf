import Analysis
import ArgumentParser
import Collectives
import CrateModel
import Settings

/// Which features to compute, and of which model.
struct FeatureOptions: ParsableArguments {
    @Option(help: ArgumentHelp("A run, one of its checkpoints, or a .safetensors file.", valueName: "path"))
    var checkpoint: String
    @Option(
        help: ArgumentHelp(
            "Layers: norm (behind the encoder's last norm), numbers of encoder blocks from 1 on, several with commas, or all.",
            valueName: "layers"))
    var layers = "norm"
    @Option(
        parsing: .upToNextOption,
        help: ArgumentHelp("Tokens to use: the mean of all patches, or the class token.", valueName: "mean|class"))
    var pooling = [Pooling.mean]
    @Option(
        help: ArgumentHelp("Use random initial weights of this seed instead of the trained ones.", valueName: "seed"))
    var random: UInt64?

    /// Collective.
    func load(_ speed: SpeedOptions, _ world: World) throws -> LoadedModel {
        try speed.load(checkpoint, random: random, world)
    }

    func sources(of loaded: borrowing LoadedModel) throws -> [FeatureSource] {
        try FeatureSource.sources(layers: layers, poolings: pooling, depth: loaded.model.configuration.depth)
    }
}
