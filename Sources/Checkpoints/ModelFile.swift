import Base
import CrateModel
import Foundation
import Images
import Kernels

/// What a model file says of itself. `maskRatio` belongs to an autoencoder.
func modelMetadata(
    _ model: Model, maskRatio: Double, _ normalisation: Normalisation
) throws -> [String: String] {
    let description =
        switch model {
        case .autoencoder(let model): ["config": try encoded(model.configuration), "mask_ratio": "\(maskRatio)"]
        case .classifier(let model): [CheckpointStore.classifierKey: try encoded(model.configuration)]
        }
    return description.merging(["normalisation": try encoded(normalisation), "format": "pt"]) { $1 }
}

/// Writes the parameters `table` of the flat buffer `parameters`, and `untrained` behind them.
@discardableResult
func writeModel(
    _ table: [Parameter], _ parameters: UnsafePointer<Float>, _ untrained: [UntrainedTensor], type: StoredType = .f32,
    metadata: [String: String], to path: String
) throws -> ManifestFile {
    let others = try OwnedBuffer<Float>(count: untrained.map(\.values.count).max() ?? 0)
    return try writeSafetensors(
        table.map { NamedTensor($0.name, $0.shape) } + untrained.map { NamedTensor($0.name, $0.shape) },
        type: type, metadata: metadata, to: path
    ) { index in
        guard index >= table.count else { return parameters + table[index].offset }
        let values = untrained[index - table.count].values
        others.pointer.update(from: values, count: values.count)
        return UnsafePointer(others.pointer)
    }
}

/// Reads what the functions above write.
extension CheckpointStore {
    /// What a model file says of itself in its metadata: the model, the fraction of patches hidden in training (0 for a
    /// classifier), and what pixels were normalised with, which in older files is not said and was ImageNet's.
    package static func description(
        ofModelFile path: String
    ) throws -> (model: Model, maskRatio: Double, normalisation: Normalisation) {
        let reader = try SafetensorsReader(path: path)
        let (model, maskRatio) = try model(of: reader)
        guard let normalisation = reader.metadata["normalisation"] else { return (model, maskRatio, .imageNet) }
        guard let stored = try? JSONDecoder().decode(Normalisation.self, from: Data(normalisation.utf8)) else {
            throw Failure("\(path) does not say how pixels are normalised", hint: "give a file that crate wrote")
        }
        return (model, maskRatio, try Normalisation(mean: stored.mean, deviation: stored.deviation))
    }

    private static func model(of reader: borrowing SafetensorsReader) throws -> (Model, maskRatio: Double) {
        func decoded<Value: Decodable>(_ key: String, as type: Value.Type) -> Value? {
            reader.metadata[key].flatMap { try? JSONDecoder().decode(type, from: Data($0.utf8)) }
        }
        if let classifier = decoded(classifierKey, as: ClassifierConfiguration.self) {
            try classifier.validate()
            return (.classifier(Classifier(classifier)), 0)
        }
        guard let configuration = decoded("config", as: ModelConfiguration.self),
            let maskRatio = reader.metadata["mask_ratio"].flatMap(Double.init)
        else {
            throw Failure("\(reader.path) carries no model configuration", hint: "give a file that crate wrote")
        }
        try configuration.validate()
        return (.autoencoder(MaskedAutoencoder(configuration)), maskRatio)
    }

    /// Fills the flat buffer `parameters` from the model file at `path`. Tensors that the layout does not have are
    /// left unread. Throws `Failure` for a missing or misshapen tensor, or one with a value that is not finite.
    package static func loadParameters(
        into parameters: UnsafeMutablePointer<Float>, layout: ParameterLayout, from path: String
    ) throws {
        try loadParameters(into: parameters, parameters: layout.parameters, from: path)
    }

    /// Does that for some of a layout's parameters.
    package static func loadParameters(
        into buffer: UnsafeMutablePointer<Float>, parameters: [Parameter], from path: String
    ) throws {
        let reader = try SafetensorsReader(path: path)
        for parameter in parameters {
            let values = buffer + parameter.offset
            try reader.read(parameter.name, shape: parameter.shape, into: values)
            try demandFinite(values, parameter, parameter.name, path)
        }
    }
}

/// Run and step of the checkpoint that the model file `path` lies in; nil where it lies in none.
func checkpointOrigin(ofModelFile path: String) -> [String: String]? {
    let directory = URL(fileURLWithPath: path).deletingLastPathComponent()
    guard let manifest = try? Manifest.read(in: directory.path),
        manifest.files[URL(fileURLWithPath: path).lastPathComponent] != nil
    else { return nil }
    let run = directory.deletingLastPathComponent().deletingLastPathComponent()
    return ["run": run.lastPathComponent, "step": "\(manifest.step)"]
}

func encoded(_ value: some Encodable) throws -> String {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys]
    return String(decoding: try encoder.encode(value), as: UTF8.self)
}

func demandFinite(
    _ values: UnsafePointer<Float>, _ parameter: Parameter, _ name: String, _ path: String
) throws {
    guard allFinite(values, count: parameter.count) else {
        throw Failure("tensor \(name) of \(path) is not finite", hint: "use an earlier checkpoint")
    }
}
