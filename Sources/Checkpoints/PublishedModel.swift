import Buffers
import CrateModel
import Files
import Foundation
import Images
import Kernels

// T tokens, D channels.

/// A tensor of the published model that takes no part in training.
public struct UntrainedTensor: Sendable {
    let name: String
    let shape: [Int]
    let values: [Float]
}

/// The published form of a CRATE-MAE: the trained parameters under the published names, and four tensors that are not
/// trained: `pos_embed` and `decoder_pos_embed` (1, T, D), and the unused `decoder_embed`, (D, D) and (D).
public struct PublishedModel: ~Copyable {
    /// The name of the position table that the computation uses.
    static let usedTable = "decoder_pos_embed"

    /// The model.
    public let model: MaskedAutoencoder
    let parameters: OwnedBuffer<Float>  // in the model's layout
    let untrained: [UntrainedTensor]
    /// The fraction of patches that training hides.
    public let maskRatio: Double
    let normalisation: Normalisation
    let origin: [String: String]  // run and step

    /// What a model of width `dim` has beside its parameters.
    static func untrainedShapes(_ configuration: ModelConfiguration) -> [(name: String, shape: [Int])] {
        let dim = configuration.dim
        let table = [1, configuration.tokenCount, dim]
        return [
            ("pos_embed", table), (usedTable, table), ("decoder_embed.weight", [dim, dim]),
            ("decoder_embed.bias", [dim]),
        ]
    }

    /// Reads the model file `file`, a checkpoint's or an export, for images of side `imageSize` (nil: as trained).
    ///
    /// What the file lacks of untrained tensors is made: the sine-cosine tables, and zeros. So are the tables of another image
    /// size, since they are computed, not learned. Throws `Failure` where the file is damaged or not a whole model.
    public init(file: String, imageSize: Int?) throws {
        let (trained, maskRatio, normalisation) = try CheckpointStore.description(ofModelFile: file)
        let reader = try SafetensorsReader(path: file)
        try self.init(reader, trained, imageSize: imageSize, maskRatio, normalisation)
    }

    init(
        _ reader: borrowing SafetensorsReader, _ stored: ModelConfiguration, imageSize: Int?, _ maskRatio: Double,
        _ normalisation: Normalisation
    ) throws {
        let configuration = try stored.withImageSize(imageSize ?? stored.imageSize)
        let model = MaskedAutoencoder(configuration)
        let parameters = try OwnedBuffer<Float>(count: model.layout.bufferCount)
        try CheckpointStore.loadParameters(into: parameters.pointer, layout: model.layout, from: reader.path)
        let isResized = configuration.imageSize != stored.imageSize
        var untrained: [UntrainedTensor] = []
        for (name, shape) in Self.untrainedShapes(configuration) {
            let isTable = name.hasSuffix("pos_embed")
            var values = isTable ? model.positions : [Float](repeating: 0, count: shape.reduce(1, *))
            if reader.tensors[name] != nil, !isTable || !isResized {
                try values.withUnsafeMutableBufferPointer {
                    try reader.read(name, shape: shape, into: $0.baseAddress!)
                }
            }
            untrained.append(UntrainedTensor(name: name, shape: shape, values: values))
        }
        self.model = model
        self.parameters = parameters
        self.untrained = untrained
        self.maskRatio = maskRatio
        self.normalisation = normalisation
        origin =
            checkpointOrigin(ofModelFile: reader.path)
            ?? reader.metadata.filter { ["run", "step"].contains($0.key) }
    }

    /// Writes every key of the published model to the safetensors file `path`, or with `encoderOnly` those of the encoder: class
    /// token, patch embedding, blocks, norm, and as `pos_embed` the table that the encoder adds to its tokens.
    public func export(to path: String, type: StoredType, encoderOnly: Bool) throws {
        let table = model.layout.parameters.filter { !encoderOnly || Self.isOfEncoder($0.name) }
        var untrained = untrained
        if encoderOnly {
            untrained = untrained.filter { $0.name == Self.usedTable }
                .map { UntrainedTensor(name: "pos_embed", shape: $0.shape, values: $0.values) }
        }
        let metadata = try modelMetadata(model.configuration, maskRatio: maskRatio, normalisation)
            .merging(origin) { $1 }.merging(["part": encoderOnly ? "encoder" : "model"]) { $1 }
        try writeModel(table, parameters.pointer, untrained, type: type, metadata: metadata, to: path)
    }

    private static func isOfEncoder(_ name: String) -> Bool {
        name != "mask_token" && !name.hasPrefix("decoder")
    }
}

extension ModelConfiguration {
    func withImageSize(_ imageSize: Int) throws -> ModelConfiguration {
        try ModelConfiguration(
            imageSize: imageSize, patchSize: patchSize, dim: dim, depth: depth, decoderDepth: decoderDepth,
            heads: heads, lambda: lambda, normalisesTargets: normalisesTargets)
    }
}
