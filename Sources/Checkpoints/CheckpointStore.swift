import Base
import CrateModel
import Foundation
import Optimizers

/// The checkpoints of one run directory: `checkpoints/step-0000000100/` with `model.safetensors`,
/// `optimizer.safetensors`, `average.safetensors` if the run averages its weights, and `manifest.json`.
package struct CheckpointStore: Sendable {
    private let directory: String
    package static let modelFile = "model.safetensors"
    static let optimizerFile = "optimizer.safetensors"
    static let averageFile = "average.safetensors"
    static let prefix = "step-"

    /// The run directory `run` need not exist yet.
    package init(run: String) {
        directory = RunFile.checkpoints.path(in: run)
    }

    /// Writes the state after `step` steps and returns the checkpoint's path: the flat buffer `parameters`, and the
    /// moments. `moments` is called in the order of the layout, first for all parameters of the first of `kinds`, then
    /// of the next; an average is the last of them.
    ///
    /// The directory is renamed to its final name when all files are on disk, so an interruption leaves either the
    /// whole checkpoint or none. `untrained` is added to the model file. An existing valid checkpoint of the same step
    /// is kept: equal steps have equal states. One that cannot be verified is replaced when its successor is complete.
    /// Throws `Failure` with the system's reason.
    @discardableResult
    package func save(
        _ parameters: UnsafePointer<Float>, of model: StoredModel, step: Int, samples: Int,
        untrained: [UntrainedTensor] = [], kinds: [Moment] = [.first, .second],
        moments: (Moment, Parameter) throws -> UnsafePointer<Float>
    ) throws -> String {
        let path = "\(directory)/\(Self.prefix)\(zeroPadded(step, to: 10))"
        if (try? verify(path)) != nil { return path }
        // The run is locked, so nobody else writes them; what another owner left stays.
        DurableFile.removePartials(of: Self.prefix, in: directory, olderThan: 0)
        let partial = DurableFile.newPartialPath(of: path)
        try makeDirectory(directory)
        guard mkdir(partial, 0o777) == 0 else { throw systemFailure("cannot create \(partial)") }
        do {
            try write(
                parameters, of: model, step: step, samples: samples, untrained: untrained, to: partial, kinds: kinds,
                moments: moments)
            try DurableFile.replace(path, by: partial)
        } catch {
            // On a full disk the partial checkpoint would keep it full.
            try? FileManager.default.removeItem(atPath: partial)
            throw error
        }
        return path
    }

    private func write(
        _ parameters: UnsafePointer<Float>, of model: StoredModel, step: Int, samples: Int,
        untrained: [UntrainedTensor], to directory: String, kinds: [Moment],
        moments: (Moment, Parameter) throws -> UnsafePointer<Float>
    ) throws {
        let table = model.model.layout.parameters
        let modelFile = try writeModel(
            table, parameters, untrained, metadata: model.metadata, to: "\(directory)/\(Self.modelFile)")
        func write(_ kinds: [Moment], metadata: [String: String], to file: String) throws -> ManifestFile {
            let pairs = kinds.flatMap { moment in table.map { (moment, $0) } }
            return try writeSafetensors(
                pairs.map { NamedTensor($0.tensorName(of: $1), $1.shape) }, metadata: metadata,
                to: "\(directory)/\(file)"
            ) { try moments(pairs[$0].0, pairs[$0].1) }
        }
        var files = [Self.modelFile: modelFile]
        files[Self.optimizerFile] = try write(
            kinds.filter { $0 != .average }, metadata: [:], to: Self.optimizerFile)
        if kinds.contains(.average) {
            files[Self.averageFile] = try write([.average], metadata: model.metadata, to: Self.averageFile)
        }
        let manifest = try Manifest(step: step, samples: samples, files: files)
        try DurableFile.write(manifest.json, to: "\(directory)/\(Manifest.fileName)")
    }

    /// The newest valid checkpoint; nil if there is none. Corrupt ones are passed to `report` with the reason.
    package func newest(report: (String, Failure) -> Void) -> (path: String, manifest: Manifest)? {
        for path in paths().reversed() {
            do {
                return (path, try verify(path))
            } catch {
                report(path, Failure(from: error))
            }
        }
        return nil
    }

    /// Checks all files of the checkpoint at `path` against its manifest, which is returned, and that the model file
    /// describes a model that it contains. Throws `Failure` naming the file and the reason.
    package func verify(_ path: String) throws -> Manifest {
        let manifest = try Manifest.verified(in: path)
        guard manifest.step == Self.step(of: path) else {
            throw Failure("\(path) holds step \(manifest.step)", hint: "rename it to match its step, or remove it")
        }
        _ = try Self.description(ofModelFile: "\(path)/\(Self.modelFile)")
        return manifest
    }

    /// By ascending step.
    package func paths() -> [String] {
        names().filter { Self.step(of: $0) != nil }.sorted().map { "\(directory)/\($0)" }
    }

    private func names() -> [String] {
        (try? FileManager.default.contentsOfDirectory(atPath: directory)) ?? []
    }

    /// Fills the flat buffer `parameters` from the checkpoint at `path`, which must be of this model, and calls
    /// `moments` for each parameter in the order in which they were written. Imported weights have no average, which
    /// begins with the weights themselves.
    package static func load(
        into parameters: UnsafeMutablePointer<Float>, of model: Model, from path: String,
        kinds: [Moment] = [.first, .second], moments: (Moment, Parameter, UnsafePointer<Float>) throws -> Void
    ) throws {
        try loadParameters(into: parameters, layout: model.layout, from: "\(path)/\(modelFile)")
        let averages = access("\(path)/\(averageFile)", F_OK) == 0 ? averageFile : modelFile
        let values = try OwnedBuffer<Float>(count: model.layout.parameters.map(\.count).max() ?? 0)
        for moment in kinds {
            let reader = try SafetensorsReader(path: "\(path)/\(moment == .average ? averages : optimizerFile)")
            for parameter in model.layout.parameters {
                let name = moment.tensorName(of: parameter)
                try reader.read(name, shape: parameter.shape, into: values.pointer)
                try requireFinite(values.pointer, parameter, name, reader.path)
                try moments(moment, parameter, values.pointer)
            }
        }
    }
}

extension Moment {
    /// The tensor of a checkpoint that holds it for `parameter`. Averages are a model file of their own.
    fileprivate func tensorName(of parameter: Parameter) -> String {
        self == .average ? parameter.name : "\(self).\(parameter.name)"
    }
}
