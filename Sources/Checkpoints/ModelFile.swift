import Buffers
import CrateModel
import Files
import Foundation
import Images

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

/// Run and step of the checkpoint that the model file `path` lies in; nil where it lies in none.
func checkpointOrigin(ofModelFile path: String) -> [String: String]? {
    let directory = URL(fileURLWithPath: path).deletingLastPathComponent()
    guard let manifest = try? Manifest.read(in: directory.path),
        manifest.files[URL(fileURLWithPath: path).lastPathComponent] != nil
    else { return nil }
    let run = directory.deletingLastPathComponent().deletingLastPathComponent()
    return ["run": run.lastPathComponent, "step": "\(manifest.step)"]
}
