import Base
import Foundation

/// Which weights of a checkpoint.
package enum StoredWeights: String, CaseIterable, Sendable {
    /// Those that are trained.
    case trained
    /// Their moving average, which `--ema` keeps.
    case average

    private var fileName: String { self == .trained ? CheckpointStore.modelFile : CheckpointStore.averageFile }

    /// The model file in the checkpoint at `path`. Throws `Failure` if `manifest`, the checkpoint's, does not list it.
    fileprivate func file(in path: String, _ manifest: Manifest) throws -> String {
        guard manifest.files[fileName] != nil else {
            throw Failure(
                "\(path) holds no average of the weights", hint: "leave --weights out, or train with --ema")
        }
        return "\(path)/\(fileName)"
    }
}

extension CheckpointStore {
    /// Resolves `path` to a model file: itself, that of a checkpoint directory, or that of a run's newest checkpoint, with the
    /// given `weights`. Corrupt checkpoints of a run are passed to `report`. Throws `Failure` if there is none.
    package static func modelFile(
        at path: String, weights: StoredWeights = .trained, report: (Failure) -> Void
    ) throws -> String {
        var isDirectory: ObjCBool = false
        guard FileManager.default.fileExists(atPath: path, isDirectory: &isDirectory) else {
            throw Failure("there is no \(path)", hint: "give a run, one of its checkpoints, or a .safetensors file")
        }
        guard isDirectory.boolValue else {
            guard weights == .trained else {
                throw Failure(
                    "\(path) is one file, without an average beside it",
                    hint: "leave --weights out, or give a run or one of its checkpoints")
            }
            return path
        }
        if FileManager.default.fileExists(atPath: "\(path)/\(Manifest.fileName)") {
            return try weights.file(in: path, Manifest.verified(in: path))
        }
        guard let newest = CheckpointStore(run: path).newest(report: { report($1) }) else {
            throw Failure(
                "\(path) holds no checkpoint", hint: "give a run, one of its checkpoints, or a .safetensors file")
        }
        return try weights.file(in: newest.path, newest.manifest)
    }
}
