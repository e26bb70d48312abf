import ArgumentParser
import Base
import CrateModel
import Training

extension ModelSize: ExpressibleByArgument {}
extension Architecture: ExpressibleByArgument {}

struct ModelOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "Kind of blocks: the white-box crate, crate-alpha and tost, or vit, the vision transformer.",
            valueName: "crate|crate-alpha|tost|vit"))
    var architecture = Architecture.crate
    @Option(help: "Size: tiny, small, base, large or, of crate-alpha and vit, huge.")
    var model = ModelSize.tiny
    @Option(help: ArgumentHelp("Token width, overriding the size.", valueName: "n"))
    var dim: Int?
    @Option(help: ArgumentHelp("Blocks of the encoder, overriding the size.", valueName: "n"))
    var depth: Int?
    @Option(help: ArgumentHelp("Attention heads, overriding the size.", valueName: "n"))
    var heads: Int?
    @Option(
        help: ArgumentHelp(
            "Blocks of a masked autoencoder's decoder (default: as many as in the encoder; 8 of a vit).", valueName: "n"
        ))
    var decoderDepth: Int?
    @Option(
        help: ArgumentHelp(
            "Token width of the decoder of a vit (default: 512; published beside CRATE-MAE with 768).", valueName: "n"))
    var decoderDim: Int?
    @Option(help: ArgumentHelp("Attention heads of the decoder of a vit (default: 16).", valueName: "n"))
    var decoderHeads: Int?
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
        _ defaults: RecipeDefaults = .pretraining, hasDecoder: Bool = true, normalisesTargets: Bool = false,
        channels: Int = 3
    ) throws -> ModelConfiguration {
        guard let extents = architecture.extents(model) else {
            throw Failure(
                "there is no \(model.rawValue) \(architecture.title)",
                hint: "choose another --model, or give --dim, --depth and --heads")
        }
        guard lambda == nil || architecture.hasLambda else {
            throw Failure("\(architecture.title) has no sparsity penalty", hint: "leave --lambda out")
        }
        guard hasDecoder || [decoderDepth, decoderDim, decoderHeads].allSatisfy({ $0 == nil }) else {
            throw Failure("a classifier has no decoder", hint: "leave --decoder-dim, -depth and -heads out")
        }
        let (dim, depth, heads) = (dim ?? extents.dim, depth ?? extents.depth, heads ?? extents.heads)
        let published = architecture.decoder(dim: dim, depth: depth, heads: heads)
        return try ModelConfiguration(
            architecture, imageSize: imageSize, patchSize: patchSize, dim: dim, depth: depth,
            decoderDepth: hasDecoder ? decoderDepth : 0, heads: heads,
            decoder: DecoderExtents(dim: decoderDim ?? published.dim, heads: decoderHeads ?? published.heads),
            lambda: lambda ?? defaults.lambda(of: architecture), normalisesTargets: normalisesTargets,
            positionGrid: positionGrid, channels: channels)
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
