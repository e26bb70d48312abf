import Base
import CrateModel
import Kernels

/// The model whose sizes follow from the tensors' shapes: a CRATE-MAE, or a supervised CRATE.
///
/// All sizes are taken from tensors that are in the file, which bounds the memory that is allocated. Throws `Failure`
/// if the file is of another architecture, or if `settings` lack a value that does not follow from the shapes.
func publishedModel(_ reader: borrowing SafetensorsReader, _ settings: ImportSettings) throws -> Model {
    let shapes = PublishedShapes(path: reader.path, shapes: reader.tensors.mapValues(\.shape))
    return try shapes.isSupervised ? shapes.classifier(settings) : shapes.autoencoder(settings)
}

private struct PublishedShapes {
    let path: String
    let shapes: [String: [Int]]

    private static let head = "mlp_head.1.weight"

    var isSupervised: Bool { shapes[Self.head] != nil }

    func autoencoder(_ settings: ImportSettings) throws -> Model {
        let patch = try shape("patch_embed.proj.weight", 4)
        let configuration = try configuration(
            settings, patchSize: patch[3], dim: patch[0], table: "decoder_pos_embed", depth: blocks("blocks."),
            decoderDepth: blocks("decoder_blocks."))
        try configuration.validate()
        return try Model(configuration)
    }

    func classifier(_ settings: ImportSettings) throws -> Model {
        let embedding = try shape("to_patch_embedding.2.weight", 2)
        let patchSize = Int((Double(embedding[1]) / Double(ModelConfiguration.channels)).squareRoot())
        guard ModelConfiguration.channels * patchSize * patchSize == embedding[1] else {
            throw Failure(
                "to_patch_embedding.2.weight of \(path) has \(embedding[1]) columns, which do not form a square RGB patch",
                hint: "give published weights of CRATE")
        }
        let configuration = try configuration(
            settings, patchSize: patchSize, dim: embedding[0], table: "pos_embedding",
            depth: blocks("transformer.layers."), decoderDepth: 0)
        return try Model(
            ClassifierConfiguration(
                configuration, form: .supervised, pooling: .classToken, classes: try shape(Self.head, 2)[0]))
    }

    private func configuration(
        _ settings: ImportSettings, patchSize: Int, dim: Int, table: String, depth: Int, decoderDepth: Int
    ) throws -> ModelConfiguration {
        let extents = try shape(table, 3)
        let grid = Int(Double(max(0, extents[1] - 1)).squareRoot())
        guard (1...PatchLimits.patchesPerSide).contains(grid), patchSize <= PatchLimits.imageSize,
            extents == [1, grid * grid + 1, dim]
        else {
            throw Failure(
                "\(table) of \(path) is \(extents), which does not fit the patch embedding",
                hint: "give published weights of CRATE")
        }
        guard let heads = settings.heads else {
            throw Failure("\(path) does not say how many heads it has", hint: "give --heads, 6 for the published tiny")
        }
        guard let lambda = settings.lambda else {
            throw Failure(
                "\(path) does not say its lambda",
                hint: "give --lambda: 0.5 for CRATE-MAE unless the paper says otherwise, 0.1 for the supervised CRATE"
            )
        }
        return try ModelConfiguration(
            imageSize: grid * patchSize, patchSize: patchSize, dim: dim, depth: depth, decoderDepth: decoderDepth,
            heads: heads, lambda: lambda, normalisesTargets: settings.normalisesTargets ?? false)
    }

    private func shape(_ name: String, _ extents: Int) throws -> [Int] {
        guard let shape = shapes[name], shape.count == extents else {
            throw Failure(
                "\(path) holds no CRATE-MAE or supervised CRATE: it has no \(name) of \(extents) dimensions",
                hint: "give published weights of CRATE")
        }
        return shape
    }

    private func blocks(_ prefix: String) -> Int {
        Set(shapes.keys.filter { $0.hasPrefix(prefix) }.map { $0.dropFirst(prefix.count).prefix { $0 != "." } }).count
    }
}
