import Base
import CrateModel
import Kernels

// T tokens, D channels.

extension Model {
    /// The tensors of the published model that are not trained; those of three dimensions are fixed position tables.
    var untrainedShapes: [(name: String, shape: [Int])] {
        let (dim, width) = (configuration.dim, configuration.decoder.dim)
        func table(_ name: String, _ dim: Int) -> (String, [Int]) { (name, [1, configuration.tokenCount, dim]) }
        if let classifier { return classifier.form == .supervised ? [] : [table("pos_embed", dim)] }
        switch configuration.architecture {
        case .crate:
            // The decoder's table serves the encoder, and `decoder_embed` is not used.
            return [
                table("pos_embed", dim), table("decoder_pos_embed", dim), ("decoder_embed.weight", [dim, dim]),
                ("decoder_embed.bias", [dim]),
            ]
        case .crateAlpha, .tost: return [table("pos_embed", dim)]
        case .vit: return [table("pos_embed", dim), table("decoder_pos_embed", width)]
        }
    }

    /// The names of the fixed position tables that are added to tokens, the encoder's first; none if it has a learned one.
    var usedTables: [String] {
        if let classifier { return classifier.form == .supervised ? [] : ["pos_embed"] }
        switch configuration.architecture {
        case .crate: return ["decoder_pos_embed"]
        case .crateAlpha, .tost: return ["pos_embed"]
        case .vit: return ["pos_embed", "decoder_pos_embed"]
        }
    }

    /// The values of a fixed position table.
    func positions(_ table: String) -> [Float] {
        let isDecoders = configuration.architecture == .vit && table == "decoder_pos_embed"
        return isDecoders ? configuration.decoderPositions : configuration.positions
    }

    /// The same model for images of side `imageSize`. Throws `Failure` if that is not a multiple of the patch size.
    package func resized(to imageSize: Int) throws -> Model {
        guard imageSize != configuration.imageSize else { return self }
        return try with(imageSize: imageSize)
    }

    /// The same model with the given settings replaced.
    func with(
        imageSize: Int? = nil, lambda: Double? = nil, normalisesTargets: Bool? = nil, channels: Int? = nil
    ) throws -> Model {
        let changed = try configuration.with(
            imageSize: imageSize, lambda: lambda, normalisesTargets: normalisesTargets,
            positionGrid: usedTables.isEmpty ? nil : configuration.trainedGrid, channels: channels)
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
            if source.shape != target.shape {
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
