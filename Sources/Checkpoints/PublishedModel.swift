import Base
import CrateModel

// T tokens, D channels.

package struct UntrainedTensor: Sendable {
    let name: String
    let shape: [Int]
    let values: [Float]
}

/// A model in published form: the trained parameters under their published names, and the untrained tensors.
///
/// A masked autoencoder has fixed position tables, and a CRATE-MAE the unused `decoder_embed`; its encoder with a classifier head has
/// `pos_embed`. A supervised model has none.
package struct PublishedModel: ~Copyable {
    package let stored: StoredModel
    let parameters: OwnedBuffer<Float>  // in the model's layout
    let untrained: [UntrainedTensor]
    package let origin: [String: String]  // run and step
    /// The types of the file's values that are not fp32, such as BF16, sorted.
    package let otherTypes: [String]

    package enum Part: String, Sendable {
        case model
        /// The encoder of a masked autoencoder, for fine-tuning.
        case encoder
        /// All of a supervised model.
        case classifier
        /// All of the model for transformers: names begin with the model's place in its classes there, and `pos_embed` is the table
        /// that the encoder adds.
        case transformers
    }

    /// Reads the model file `file`, a checkpoint's or an export, for images of side `imageSize` (nil: as trained).
    ///
    /// Untrained tensors that are not in the file are created: the sine-cosine tables, and zeros. For another image
    /// size position tables are interpolated, fixed ones by their formula (`positionTable`), learned ones bicubically
    /// (`interpolatedTable`). Throws `Failure` if the file is corrupt or does not contain a whole model.
    package init(file: String, imageSize: Int?) throws {
        try self.init(
            SafetensorsReader(path: file), CheckpointStore.description(ofModelFile: file), imageSize: imageSize)
    }

    init(
        _ reader: borrowing SafetensorsReader, _ description: StoredModel, imageSize: Int?, channels: Int? = nil
    ) throws {
        let stored = description.model
        let adaptation = ChannelAdaptation(
            from: stored.configuration.channels, to: channels ?? stored.configuration.channels)
        let resized = try stored.resized(to: imageSize ?? stored.configuration.imageSize)
        let model = adaptation.isNone ? resized : try resized.with(channels: adaptation.to)
        let parameters = try OwnedBuffer<Float>(count: model.layout.bufferCount)
        if adaptation.isNone {
            try model.loadParameters(into: parameters.pointer, from: reader.path, of: stored)
        } else {
            let loaded = try OwnedBuffer<Float>(count: resized.layout.bufferCount)
            try resized.loadParameters(into: loaded.pointer, from: reader.path, of: stored)
            adaptation.adapt(loaded.pointer, of: resized, to: parameters.pointer, of: model)
        }
        let read = try stored.untrainedShapes.map { try untrainedTensor($0.name, $0.shape, stored, reader) }
        for table in read where stored.usedTables.contains(table.name) {
            let tolerance = 1e-3 + (reader.tensors[table.name]?.rounding ?? 0)
            guard zip(table.values, stored.positions(table.name)).allSatisfy({ abs($0 - $1) <= tolerance }) else {
                throw Failure(
                    "\(table.name) of \(reader.path) is not the fixed sine-cosine table",
                    hint: "give weights of a model with the published table")
            }
        }
        let normalisation = try adaptation.normalisation(description.normalisation)
        let isResized = model.configuration.imageSize != stored.configuration.imageSize
        untrained = zip(read, model.untrainedShapes).map { tensor, place in
            isResized && place.shape.count == 3
                ? UntrainedTensor(name: tensor.name, shape: place.shape, values: model.positions(place.name)) : tensor
        }
        self.stored = StoredModel(
            model, maskRatio: description.maskRatio, normalisation: normalisation, classes: description.classes)
        self.parameters = parameters
        otherTypes = Set(reader.tensors.values.map(\.type)).subtracting(["F32"]).sorted()
        origin =
            checkpointOrigin(ofModelFile: reader.path)
            ?? reader.metadata.filter { ["run", "step"].contains($0.key) }
    }

    package var model: Model { stored.model }

    /// Writes every key of the published model to the safetensors file `path`. `encoder` writes class token, patch
    /// embedding, blocks, norm, and as `pos_embed` the table that the encoder adds to its tokens.
    ///
    /// Throws `Failure` if the model has no such part or the file cannot be written.
    package func export(_ part: Part, to path: String, type: StoredType) throws {
        var (table, untrained) = (model.layout.parameters, untrained)
        var prefix = ""
        switch part {
        case .model: break
        case .transformers:
            prefix = "crate.net."
            let used = untrained.first { $0.name == model.usedTables.first }
            untrained = untrained.map { tensor in
                guard let used, tensor.name == "pos_embed" else { return tensor }
                return UntrainedTensor(name: tensor.name, shape: used.shape, values: used.values)
            }
        case .encoder:
            guard model.classifier == nil else {
                throw Failure("the checkpoint contains a classifier, not an autoencoder", hint: "omit --encoder")
            }
            table = table.filter { $0.name != "mask_token" && !$0.name.hasPrefix("decoder") }
            untrained = untrained.filter { $0.name == model.usedTables.first }
                .map { UntrainedTensor(name: "pos_embed", shape: $0.shape, values: $0.values) }
        case .classifier:
            guard model.classifier?.form == .supervised else {
                throw Failure("the checkpoint contains no supervised model", hint: "omit --classifier")
            }
        }
        let metadata = try stored.metadata
            .merging(origin) { $1 }.merging(["part": part == .encoder ? "encoder" : "model"]) { $1 }
        try writeModel(
            table, parameters.pointer, untrained, prefix: prefix, type: type, metadata: metadata, to: path)
    }
}

/// The tensor from `reader`, or its default if the file does not contain it.
private func untrainedTensor(
    _ name: String, _ shape: [Int], _ model: Model, _ reader: borrowing SafetensorsReader
) throws -> UntrainedTensor {
    let isTable = shape.count == 3
    var values = isTable ? model.positions(name) : [Float](repeating: 0, count: shape.reduce(1, *))
    if reader.tensors[name] != nil {
        try values.withUnsafeMutableBufferPointer { try reader.read(name, shape: shape, into: $0.baseAddress!) }
    }
    return UntrainedTensor(name: name, shape: shape, values: values)
}
