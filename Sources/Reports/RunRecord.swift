import Base
import Checkpoints
import Foundation

/// Everything in a run directory that can be shown without computing the model.
struct RunRecord {
    /// The last component of its path.
    let name: String
    /// Nil if missing or corrupt.
    let settings: RunSettings?
    let history: RunHistory
    let measures: MetricsHistory
    /// Number of values in the newest checkpoint's model; nil if none is readable.
    let parameterCount: Int?
    /// Unreadable files and the like, one sentence each.
    private(set) var remarks: [String] = []

    /// Reads the run at `path`. Throws `Failure` if there is no run; missing or corrupt parts are not errors.
    init(path: String) throws {
        let manager = FileManager.default
        var isDirectory: ObjCBool = false
        guard manager.fileExists(atPath: path, isDirectory: &isDirectory), isDirectory.boolValue else {
            throw Failure("there is no run directory \(path)", hint: "give the --run of a training command")
        }
        let files: [RunFile] = [.configuration, .log]
        let present = files.filter { manager.fileExists(atPath: $0.path(in: path)) }
        guard !present.isEmpty else {
            throw Failure(
                "\(path) is no run: it holds none of \(files.map(\.name).joined(separator: ", "))",
                hint: "give the --run of a training command")
        }
        name = URL(fileURLWithPath: path).standardizedFileURL.lastPathComponent
        settings = try? RunSettings.read(run: path)
        history = RunHistory(run: path)
        measures = MetricsHistory(run: path)
        parameterCount = Self.parameterCount(CheckpointStore(run: path).paths().last)
        if settings == nil {
            let name = RunFile.configuration.name
            remarks.append(present.contains(.configuration) ? "\(name) is damaged." : "There is no \(name).")
        }
        if history.table.steps.isEmpty { remarks.append("The log holds no step yet.") }
        if measures.damage.lines > 0 || measures.damage.isCut {
            remarks.append("Some lines of \(RunFile.measures.name) cannot be read; the others are shown.")
        }
    }

    private static func parameterCount(_ checkpoint: String?) -> Int? {
        guard let checkpoint, let reader = try? SafetensorsReader(path: "\(checkpoint)/\(CheckpointStore.modelFile)")
        else { return nil }
        return reader.tensors.values.reduce(0) { $0 + $1.count }
    }
}

extension RunSettings {
    /// The number that `name` resolved to.
    subscript(name: String) -> JSONValue? { resolved[name].flatMap(Double.init).map(JSONValue.number) }
}
