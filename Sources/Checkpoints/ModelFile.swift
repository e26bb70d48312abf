import Base
import CrateModel
import Foundation
import Images
import Kernels

/// Writes the parameters `table` of the flat buffer `parameters`, followed by `untrained`, all with `prefix` before their names.
@discardableResult
func writeModel(
    _ table: [Parameter], _ parameters: UnsafePointer<Float>, _ untrained: [UntrainedTensor], prefix: String = "",
    type: StoredType = .f32, metadata: [String: String], to path: String
) throws -> ManifestFile {
    let others = try OwnedBuffer<Float>(count: untrained.map(\.values.count).max() ?? 0)
    return try writeSafetensors(
        table.map { NamedTensor(prefix + $0.name, $0.shape) }
            + untrained.map { NamedTensor(prefix + $0.name, $0.shape) },
        type: type, metadata: metadata, to: path
    ) { index in
        guard index >= table.count else { return parameters + table[index].offset }
        let values = untrained[index - table.count].values
        others.pointer.update(from: values, count: values.count)
        return UnsafePointer(others.pointer)
    }
}

extension CheckpointStore {
    /// The model described by the metadata of the model file at `path`. Older files do not state the normalisation of
    /// pixels; their models were trained with ImageNet's statistics. Throws `Failure` for a file not written by crate.
    package static func description(ofModelFile path: String) throws -> StoredModel {
        let reader = try SafetensorsReader(path: path)
        func decoded<Value: Decodable>(_ key: String, as type: Value.Type) -> Value? {
            reader.metadata[key].flatMap { try? JSONDecoder().decode(type, from: Data($0.utf8)) }
        }
        var normalisation = Normalisation.imageNet
        if reader.metadata["normalisation"] != nil {
            guard let stored = decoded("normalisation", as: Normalisation.self) else {
                throw Failure("\(path) does not say how pixels are normalised", hint: "give a file that crate wrote")
            }
            normalisation = try Normalisation(mean: stored.mean, deviation: stored.deviation)
        }
        if let classifier = decoded(StoredModel.classifierKey, as: ClassifierConfiguration.self) {
            try classifier.validate()
            try requireRoom(for: classifier.encoder, classes: classifier.classes, in: reader)
            try requireChannels(classifier.encoder, normalisation, path)
            let classes = decoded(StoredModel.classesKey, as: [String].self)
            guard reader.metadata[StoredModel.classesKey] == nil || classes?.count == classifier.classes else {
                throw Failure(
                    "\(path) does not name its \(classifier.classes) classes", hint: "give a file that crate wrote")
            }
            return StoredModel(
                try Model(classifier), maskRatio: 0, normalisation: normalisation, classes: classes)
        }
        guard let configuration = decoded(StoredModel.configurationKey, as: ModelConfiguration.self),
            let maskRatio = reader.metadata["mask_ratio"].flatMap(Double.init)
        else {
            throw Failure("\(path) contains no model configuration", hint: "give a file that crate wrote")
        }
        guard maskRatio >= 0, maskRatio < 1 else {
            throw Failure("\(path) says a mask ratio of \(maskRatio)", hint: "give a file that crate wrote")
        }
        try configuration.validate()
        try requireRoom(for: configuration, classes: 0, in: reader)
        try requireChannels(configuration, normalisation, path)
        return StoredModel(try Model(configuration), maskRatio: maskRatio, normalisation: normalisation)
    }

    /// Fills the flat buffer `parameters` from the model file at `path`. Tensors that are not in the layout are
    /// ignored. Throws `Failure` for a missing or misshapen tensor, or one with a value that is not finite.
    package static func loadParameters(
        into parameters: UnsafeMutablePointer<Float>, layout: ParameterLayout, from path: String
    ) throws {
        try loadParameters(into: parameters, parameters: layout.parameters, from: path)
    }

    /// The same for some of a layout's parameters.
    package static func loadParameters(
        into buffer: UnsafeMutablePointer<Float>, parameters: [Parameter], from path: String
    ) throws {
        let reader = try SafetensorsReader(path: path)
        for parameter in parameters {
            let values = buffer + parameter.offset
            try reader.read(parameter.name, shape: parameter.shape, into: values)
            try requireFinite(values, parameter, parameter.name, path)
        }
    }
}

private func requireChannels(
    _ configuration: ModelConfiguration, _ normalisation: Normalisation, _ path: String
) throws {
    guard configuration.channels == normalisation.channels else {
        throw Failure(
            "\(path) normalises \(normalisation.channels) channels and has a model of \(configuration.channels)",
            hint: "give a file that crate wrote")
    }
}

/// Refuses a configuration whose parameters cannot be among the tensors of the file, before memory is sized by it: every block has a
/// tensor at least, and every extent of a parameter is that of a tensor.
private func requireRoom(
    for model: ModelConfiguration, classes: Int, in reader: borrowing SafetensorsReader
) throws {
    let largest = reader.tensors.values.reduce(0) { max($0, $1.count) }
    let (blocks, patch) = (model.depth + model.decoderDepth, model.patchSize * model.patchSize)
    let widest = max(model.dim * max(patch, classes), model.decoder.dim * patch)
    guard blocks <= reader.tensors.count, widest <= largest else {
        throw Failure(
            "\(reader.path) describes a model of width \(model.dim) and \(blocks) blocks, which its tensors cannot be",
            hint: "give a file that crate wrote")
    }
}

/// Run and step of the checkpoint that contains the model file `path`; nil if it is not in a checkpoint.
func checkpointOrigin(ofModelFile path: String) -> [String: String]? {
    let directory = URL(fileURLWithPath: path).deletingLastPathComponent()
    guard let manifest = try? Manifest.read(in: directory.path),
        manifest.files[URL(fileURLWithPath: path).lastPathComponent] != nil
    else { return nil }
    let run = directory.deletingLastPathComponent().deletingLastPathComponent()
    return ["run": run.lastPathComponent, "step": "\(manifest.step)"]
}

func requireFinite(
    _ values: UnsafePointer<Float>, _ parameter: Parameter, _ name: String, _ path: String
) throws {
    guard allFinite(values, count: parameter.count) else {
        throw Failure("tensor \(name) of \(path) is not finite", hint: "use an earlier checkpoint")
    }
}
