import Analysis
import Collectives
import Kernels
import Settings

extension SpeedOptions {
    /// The precision; rank 0 warns if the processor has no bf16 products.
    func announcedPrecision(_ world: World? = nil) -> Precision {
        if precision == .bf16, !Precision.hasBFloat16Products, world?.rank ?? 0 == 0 {
            printError(
                "warning: this processor has no bf16 products: factors are rounded to bf16, at the speed of fp32")
        }
        return precision
    }

    /// The model that `path` denotes (see `LoadedModel`), with initial weights of seed `random` if given. Rank 0 warns of corrupt checkpoints
    /// that were skipped. Collective.
    func load(
        _ path: String, images: Int? = nil, imageSize: Int? = nil, stride: Int? = nil, random: UInt64? = nil,
        _ world: World
    ) throws -> LoadedModel {
        let loaded = try LoadedModel(
            path, images: images, imageSize: imageSize, stride: stride, precision: announcedPrecision(world),
            threads: threads, world: world)
        if world.rank == 0 { for warning in loaded.warnings { printError("warning: \(warning)") } }
        if let random { loaded.replica.initialise(seed: random) }
        return loaded
    }
}
