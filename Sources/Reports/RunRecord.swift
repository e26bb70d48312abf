import Base
import Checkpoints
import Foundation

/// All that a run directory tells without its model being computed.
struct RunRecord {
    /// The last part of its path.
    let name: String
    /// What decides what the run computes, by name.
    let configuration: JSONValue?
    /// The options of the command line.
    let arguments: [String]
    let history: RunHistory
    let measures: MetricsHistory
    /// The values of all tensors of the newest checkpoint; none where there is no readable one.
    let parameterCount: Int?
    /// Files that are there but cannot be read, and the like, in a sentence each.
    private(set) var remarks: [String] = []

    /// Reads the run at `path`. Throws `Failure` where there is no run; parts that are missing or damaged are no error.
    init(path: String) throws {
        let manager = FileManager.default
        var isDirectory: ObjCBool = false
        guard manager.fileExists(atPath: path, isDirectory: &isDirectory), isDirectory.boolValue else {
            throw Failure("there is no run directory \(path)", hint: "give the --run of a training command")
        }
        let files: [RunFile] = [.configuration, .arguments, .log]
        let present = files.filter { manager.fileExists(atPath: $0.path(in: path)) }
        guard !present.isEmpty else {
            throw Failure(
                "\(path) is no run: it holds none of \(files.map(\.name).joined(separator: ", "))",
                hint: "give the --run of a training command")
        }
        name = URL(fileURLWithPath: path).standardizedFileURL.lastPathComponent
        configuration = JSONValue.read(RunFile.configuration.path(in: path))
        let arguments = JSONValue.read(RunFile.arguments.path(in: path))
        self.arguments = arguments?.list.compactMap(\.text) ?? []
        history = RunHistory(run: path)
        measures = MetricsHistory(run: path)
        parameterCount = Self.parameterCount(CheckpointStore(run: path).paths().last)
        for (file, content) in [(RunFile.configuration, configuration), (.arguments, arguments)] where content == nil {
            remarks.append(present.contains(file) ? "\(file.name) is damaged." : "There is no \(file.name).")
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

extension JSONValue {
    /// The value at the end of `path`, names joined with points.
    func at(_ path: String) -> JSONValue? {
        path.split(separator: ".").reduce(self) { value, name in value?[String(name)] }
    }
}
