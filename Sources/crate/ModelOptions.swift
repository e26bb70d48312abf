import ArgumentParser
import CrateModel
import Training

extension ModelSize: ExpressibleByArgument {}

struct ModelOptions: ParsableArguments {
    @Option(help: "Size: tiny, small, base or large.")
    var model = ModelSize.tiny
    @Option(help: ArgumentHelp("Token width, overriding the size.", valueName: "n"))
    var dim: Int?
    @Option(help: ArgumentHelp("Blocks of encoder and decoder each, overriding the size.", valueName: "n"))
    var depth: Int?
    @Option(help: ArgumentHelp("Attention heads, overriding the size.", valueName: "n"))
    var heads: Int?
    @Option(help: ArgumentHelp("Side of the input in pixels.", valueName: "pixels"))
    var imageSize = 224
    @Option(help: ArgumentHelp("Side of a patch in pixels.", valueName: "pixels"))
    var patchSize = 16
    @Option(
        help: ArgumentHelp("Weight of the sparsity penalty of ISTA (default: 0.5; 0.1 in train).", valueName: "x"))
    var lambda: Double?
    @Option(
        help: ArgumentHelp(
            "Patches per side on which imported weights were trained, if the images have a different number.",
            valueName: "patches"))
    var positionGrid: Int?

    /// `defaults` has the lambda if none is given.
    func configuration(
        _ defaults: RecipeDefaults = .pretraining, hasDecoder: Bool = true, normalisesTargets: Bool = false
    ) throws -> ModelConfiguration {
        let extents = model.extents
        return try ModelConfiguration(
            imageSize: imageSize, patchSize: patchSize, dim: dim ?? extents.dim, depth: depth ?? extents.depth,
            decoderDepth: hasDecoder ? nil : 0, heads: heads ?? extents.heads, lambda: lambda ?? defaults.lambda,
            normalisesTargets: normalisesTargets, positionGrid: positionGrid)
    }
}

/// Masking and targets of a masked autoencoder.
struct MaskingOptions: ParsableArguments {
    @Option(help: ArgumentHelp("Fraction of patches to mask.", valueName: "x"))
    var maskRatio = 0.75
    @Flag(inversion: .prefixedNo, exclusivity: .chooseLast, help: "Standardise each target patch.")
    var normPix = false

    func validate() throws {
        guard maskRatio > 0, maskRatio < 1 else {
            throw ValidationError("--mask-ratio takes a number between 0 and 1.")
        }
    }
}
