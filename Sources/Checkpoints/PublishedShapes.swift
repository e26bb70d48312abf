import Base
import CrateModel
import Kernels

/// The model whose sizes follow from the tensors' shapes: a CRATE-MAE or ViT-MAE, a supervised CRATE, CRATE-alpha or ToST, or timm's ViT.
///
/// All sizes are taken from tensors that are in the file, which bounds the memory that is allocated. Throws `Failure`
/// if the file is of another architecture, or if `settings` lack a value that does not follow from the shapes.
func publishedModel(_ reader: borrowing SafetensorsReader, _ settings: ImportSettings) throws -> Model {
    let shapes = PublishedShapes(path: reader.path, shapes: reader.tensors.mapValues(\.shape), settings: settings)
    return try shapes.model()
}

struct PublishedShapes {
    let path: String
    let shapes: [String: [Int]]
    let settings: ImportSettings

    static let hint = "give published weights of CRATE, CRATE-alpha, ToST, MAE or timm's ViT"

    func model() throws -> Model {
        if shapes["mlp_head.1.weight"] != nil {
            let architecture: Architecture =
                shapes["conv1.weight"] != nil
                ? .crateAlpha : shapes["transformer.layers.0.0.fn.temp"] != nil ? .tost : .crate
            return try classifier(
                architecture, table: "pos_embedding", blocks: "transformer.layers.", head: "mlp_head.1.weight")
        }
        guard shapes["blocks.0.attn.qkv.weight"] != nil else { return try autoencoder(.crate, "decoder_pos_embed") }
        guard shapes["head.weight"] != nil else { return try autoencoder(.vit, "pos_embed") }
        return try classifier(.vit, table: "pos_embed", blocks: "blocks.", head: "head.weight")
    }

    private func autoencoder(_ architecture: Architecture, _ table: String) throws -> Model {
        let patch = try shape("patch_embed.proj.weight", 4)
        var decoder: DecoderExtents?
        if architecture == .vit {
            let width = try shape("decoder_embed.weight", 2)[0]
            decoder = DecoderExtents(dim: width, heads: settings.decoderHeads ?? 16)
        }
        let configuration = try configuration(
            architecture, patchSize: patch[3], dim: patch[0], channels: patch[1], table: table,
            depth: blocks("blocks."),
            decoderDepth: blocks("decoder_blocks."), decoder: decoder)
        try configuration.validate()
        return try Model(configuration)
    }

    private func classifier(
        _ architecture: Architecture, table: String, blocks prefix: String, head: String
    ) throws -> Model {
        let (patchSize, dim, channels) = try embedding(architecture)
        let configuration = try configuration(
            architecture, patchSize: patchSize, dim: dim, channels: channels, table: table, depth: blocks(prefix),
            decoderDepth: 0)
        return try Model(
            ClassifierConfiguration(
                configuration, form: .supervised, pooling: shapes["fc_norm.weight"] == nil ? .classToken : .mean,
                classes: try shape(head, 2)[0]))
    }

    private func embedding(_ architecture: Architecture) throws -> (patchSize: Int, dim: Int, channels: Int) {
        switch architecture {
        case .crateAlpha, .vit:
            let weight = try shape(architecture == .vit ? "patch_embed.proj.weight" : "conv1.weight", 4)
            return (weight[3], weight[0], weight[1])
        case .crate, .tost:
            let weight = try shape("to_patch_embedding.2.weight", 2)
            let patchSize = Int((Double(weight[1]) / 3).squareRoot())
            guard 3 * patchSize * patchSize == weight[1] else {
                throw Failure(
                    "to_patch_embedding.2.weight of \(path) has \(weight[1]) columns, which do not form a square RGB patch",
                    hint: Self.hint)
            }
            return (patchSize, weight[0], 3)
        }
    }

    private func configuration(
        _ architecture: Architecture, patchSize: Int, dim: Int, channels: Int, table: String, depth: Int,
        decoderDepth: Int, decoder: DecoderExtents? = nil
    ) throws -> ModelConfiguration {
        let extents = try shape(table, 3)
        let grid = Int(Double(max(0, extents[1] - 1)).squareRoot())
        guard (1...PatchLimits.patchesPerSide).contains(grid), patchSize <= PatchLimits.imageSize,
            extents == [1, grid * grid + 1, dim]
        else {
            throw Failure("\(table) of \(path) is \(extents), which does not fit the patch embedding", hint: Self.hint)
        }
        let (heads, lambda) = try unstated(
            architecture, dim: dim, depth: depth, patchSize: patchSize, isClassifier: decoderDepth == 0)
        return try ModelConfiguration(
            architecture, imageSize: grid * patchSize, patchSize: patchSize, dim: dim, depth: depth,
            decoderDepth: decoderDepth, heads: heads, decoder: decoder,
            lambda: lambda, normalisesTargets: settings.normalisesTargets ?? false, channels: channels)
    }

    /// Heads and lambda: those of the settings, or those of the only published model with these names and sizes. Throws `Failure` that
    /// names what is missing.
    private func unstated(
        _ architecture: Architecture, dim: Int, depth: Int, patchSize: Int, isClassifier: Bool
    ) throws -> (heads: Int, lambda: Double?) {
        var heads = settings.heads ?? shapes["transformer.layers.0.0.fn.temp"]?.first
        var lambda = architecture.hasLambda ? settings.lambda : nil
        // Of patches of 8 pixels there are published CRATEs with 6 and with 12 heads.
        if heads == nil, architecture != .crate || patchSize != 8 {
            let sizes = ModelSize.allCases.compactMap(architecture.extents)
            heads = sizes.first { $0.dim == dim && $0.depth == depth }?.heads
            if let heads {
                settings.remark("\(heads) heads, as the published \(architecture.title) of this width and depth")
            }
        }
        if lambda == nil, architecture == .crateAlpha || isClassifier && architecture.hasLambda {
            lambda = 0.1
            settings.remark("lambda 0.1, as all published weights of this kind")
        }
        let lacksLambda = lambda == nil && architecture.hasLambda
        guard let heads, !lacksLambda else {
            let example = architecture == .vit ? "12 for ViT-B" : "6 for the published tiny"
            let missing = [
                heads == nil ? ("how many heads it has", "--heads, \(example)") : nil,
                lacksLambda ? ("its lambda", "--lambda, 0.5 as in the authors' code or 0.1 as in notebooks") : nil,
            ].compactMap(\.self)
            throw Failure(
                "\(path) does not say \(missing.map(\.0).joined(separator: ", nor "))",
                hint: "give \(missing.map(\.1).joined(separator: ", and "))")
        }
        return (heads, lambda)
    }

    private func shape(_ name: String, _ extents: Int) throws -> [Int] {
        guard let shape = shapes[name], shape.count == extents else {
            throw Failure(
                "\(path) holds no published model: it has no \(name) of \(extents) dimensions", hint: Self.hint)
        }
        return shape
    }

    private func blocks(_ prefix: String) -> Int {
        Set(shapes.keys.filter { $0.hasPrefix(prefix) }.map { $0.dropFirst(prefix.count).prefix { $0 != "." } }).count
    }
}
