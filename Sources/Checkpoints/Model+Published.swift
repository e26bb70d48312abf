import Base
import CrateModel
import Kernels

// T tokens, D channels.

extension Model {
    /// The learned position table of the supervised CRATE, (1, T, D).
    private static let learnedTable = "pos_embedding"

    /// The tensors of the published model that are not trained.
    var untrainedShapes: [(name: String, shape: [Int])] {
        let dim = configuration.dim
        let table = [1, configuration.tokenCount, dim]
        if let classifier { return classifier.form == .supervised ? [] : [("pos_embed", table)] }
        return [
            ("pos_embed", table), ("decoder_pos_embed", table), ("decoder_embed.weight", [dim, dim]),
            ("decoder_embed.bias", [dim]),
        ]
    }

    /// The name of the fixed position table that the encoder adds to its tokens; nil if it has a learned one.
    var usedTable: String? {
        guard let classifier else { return "decoder_pos_embed" }
        return classifier.form == .supervised ? nil : "pos_embed"
    }

    /// The same model for images of side `imageSize`. Throws `Failure` if that is not a multiple of the patch size.
    package func resized(to imageSize: Int) throws -> Model {
        guard imageSize != configuration.imageSize else { return self }
        return try with(imageSize: imageSize)
    }

    /// The same model with the given settings replaced.
    func with(imageSize: Int? = nil, lambda: Double? = nil, normalisesTargets: Bool? = nil) throws -> Model {
        let own = configuration
        let changed = try ModelConfiguration(
            imageSize: imageSize ?? own.imageSize, patchSize: own.patchSize, dim: own.dim, depth: own.depth,
            decoderDepth: own.decoderDepth, heads: own.heads, lambda: lambda ?? own.lambda,
            normalisesTargets: normalisesTargets ?? own.normalisesTargets,
            positionGrid: usedTable == nil ? nil : own.trainedGrid)
        guard let classifier else { return try Model(changed) }
        return try Model(
            ClassifierConfiguration(
                changed, form: classifier.form, pooling: classifier.pooling, classes: classifier.classes))
    }

    /// Fills the flat buffer `parameters` from the model file `file`, which contains `stored`: this model, or the same
    /// model for another image size. In that case a learned position table is interpolated; fixed tables come from the
    /// configuration. Throws `Failure` if the file is corrupt.
    package func loadParameters(
        into parameters: UnsafeMutablePointer<Float>, from file: String, of stored: Model
    ) throws {
        guard configuration.imageSize != stored.configuration.imageSize else {
            return try CheckpointStore.loadParameters(into: parameters, layout: layout, from: file)
        }
        let loaded = try OwnedBuffer<Float>(count: stored.layout.bufferCount)
        try CheckpointStore.loadParameters(into: loaded.pointer, layout: stored.layout, from: file)
        for (source, target) in zip(stored.layout.parameters, layout.parameters) {
            let (values, place) = (loaded.pointer + source.offset, parameters + target.offset)
            if source.name == Self.learnedTable {
                let table = interpolatedTable(
                    values, grid: stored.configuration.patchesPerSide, to: configuration.patchesPerSide,
                    dim: configuration.dim)
                place.update(from: table, count: table.count)
            } else {
                place.update(from: values, count: target.count)
            }
        }
    }
}
