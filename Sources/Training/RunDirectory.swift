import Checkpoints
import Files
import Foundation

/// A run on disk: `config.json`, `log.jsonl`, `checkpoints/`.
public struct RunDirectory: Sendable {
    /// Its path.
    public let path: String

    /// The run at `path`, which need not exist yet.
    public init(path: String) {
        self.path = path
    }

    /// Its checkpoints.
    public var checkpoints: CheckpointStore { CheckpointStore(run: path) }
    var configurationPath: String { "\(path)/config.json" }
    var logPath: String { "\(path)/log.jsonl" }

    /// Makes the directory ready for `configuration` and returns the checkpoint to go on from, if any.
    ///
    /// Throws `Failure` when it cannot be written, holds a run already and `resumes` is false, or holds a run of
    /// another configuration. Damaged checkpoints are passed to `report`.
    func prepare(
        _ configuration: PretrainConfiguration, resumes: Bool, report: (Failure) -> Void
    ) throws -> (path: String, manifest: Manifest)? {
        let manager = FileManager.default
        guard (try? manager.createDirectory(atPath: path, withIntermediateDirectories: true)) != nil,
            access(path, W_OK | X_OK) == 0
        else {
            throw Failure("cannot write to the run directory \(path)", hint: "check its permissions, or change --run")
        }
        let isUsed = manager.fileExists(atPath: configurationPath)
        guard isUsed || (checkpoints.paths().isEmpty && !manager.fileExists(atPath: logPath)) else {
            throw Failure(
                "\(path) holds a log or checkpoints, but no config.json to say whose",
                hint: "restore it, or change --run")
        }
        guard resumes || !isUsed else {
            throw Failure("\(path) holds a run already", hint: "add --resume to go on with it, or change --run")
        }
        let newest = isUsed ? checkpoints.newest(report: report) : nil
        if newest != nil { try demandEqual(configuration) }
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        try DurableFile.write([UInt8](encoder.encode(configuration)), to: configurationPath)
        try keepLog(through: newest?.manifest.step ?? -1)
        return newest
    }

    private func demandEqual(_ configuration: PretrainConfiguration) throws {
        guard let data = FileManager.default.contents(atPath: configurationPath),
            let stored = try? JSONDecoder().decode(PretrainConfiguration.self, from: data)
        else {
            throw Failure("\(configurationPath) is damaged", hint: "restore it, or change --run")
        }
        // How the batch is cut changes nothing but the rounding of sums.
        var comparable = stored
        comparable.microBatch = configuration.microBatch
        comparable.virtualRanks = configuration.virtualRanks
        guard comparable != configuration else { return }
        let names = zip(Mirror(reflecting: comparable).children, Mirror(reflecting: configuration).children)
            .filter { "\($0.value)" != "\($1.value)" }
            .map { "\($0.label ?? "?") was \($0.value) and is now \($1.value)" }
        throw Failure(
            "the run in \(path) has another configuration: \(names.joined(separator: ", "))",
            hint: "resume with the options it was started with, or change --run")
    }

    /// Drops the log's lines of later steps, which will be written again; all of them for step -1.
    private func keepLog(through step: Int) throws {
        guard let data = FileManager.default.contents(atPath: logPath) else { return }
        let lines = data.split(separator: UInt8(ascii: "\n")).filter { line in
            guard let entry = try? RunLog.decoder.decode(LogEntry.self, from: Data(line)) else { return false }
            // Events keep their place in the story; they are not written again.
            return entry.step.map { $0 <= step } ?? true
        }
        try DurableFile.write(lines.flatMap { $0 + [UInt8(ascii: "\n")] }, to: logPath)
    }
}
