import Analysis
import ArgumentParser
import Base
import Checkpoints
import Collectives
import CrateModel
import Kernels
import Settings

extension StoredWeights: ExpressibleByArgument {}

/// Which weights of a checkpoint to read.
struct WeightsOption: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "Weights of the checkpoint: the trained ones, or the average that --ema keeps.",
            valueName: "trained|average"
        ))
    var weights = StoredWeights.trained
}

/// Which features to compute, and of which model.
struct FeatureOptions: ParsableArguments {
    @Option(help: ArgumentHelp("A run, one of its checkpoints, or a .safetensors file.", valueName: "path"))
    var checkpoint: String
    @OptionGroup var kind: WeightsOption
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
        try speed.load(checkpoint, kind, random: random, world)
    }

    func sources(of loaded: borrowing LoadedModel) throws -> [FeatureSource] {
        try FeatureSource.sources(layers: layers, poolings: pooling, depth: loaded.model.configuration.depth)
    }
}

extension SpeedOptions {
    /// The precision; rank 0 warns if the processor has no bf16 products.
    func announcedPrecision(_ world: World? = nil) -> Precision {
        if precision.format(products) == .roundedFloat32, world?.rank ?? 0 == 0 {
            let subject = Precision.hasBFloat16Products ? "OpenBLAS" : "this processor"
            printError("warning: \(subject) has no bf16 products: factors are rounded to bf16, at the speed of fp32")
        }
        return precision
    }

    /// The model that `path` denotes (see `LoadedModel`), with weights of this `kind`, or initial ones of seed `random` if
    /// given. Rank 0 warns of corrupt checkpoints that were skipped. Collective.
    func load(
        _ path: String, _ kind: WeightsOption, images: Int? = nil, imageSize: Int? = nil, stride: Int? = nil,
        random: UInt64? = nil, _ world: World
    ) throws -> LoadedModel {
        let loaded = try LoadedModel(
            path, weights: kind.weights, images: images, imageSize: imageSize, stride: stride,
            precision: announcedPrecision(world),
            products: products, threads: threads, world: world)
        if world.rank == 0 { for warning in loaded.warnings { printError("warning: \(warning)") } }
        if let random { loaded.replica.initialise(seed: random) }
        return loaded
    }
}
