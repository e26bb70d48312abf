import Base
import Checkpoints
import Foundation
import Kernels
import Reports
import Shards

/// A run on disk; see `RunFile`.
package struct RunDirectory: Sendable {
    package let path: String

    package init(path: String) {
        self.path = path
    }

    package var checkpoints: CheckpointStore { CheckpointStore(run: path) }
    var configurationPath: String { RunFile.configuration.path(in: path) }
    var logPath: String { RunFile.log.path(in: path) }
    var measuresPath: String { RunFile.measures.path(in: path) }
    var tensorBoardPath: String { RunFile.tensorBoard.path(in: path) }

    /// Writes the report from the files on disk. Returns a message if that fails, which does not stop the run.
    func refreshReport() -> String? {
        do {
            try RunReport(run: path).write(to: RunFile.report.path(in: path))
            return nil
        } catch {
            return "the report is not written: \(Failure(from: error))"
        }
    }

    /// Prepares the directory for `configuration` and returns the checkpoint to resume from, if any.
    ///
    /// Throws `Failure` if it cannot be written, holds a run that is not to be resumed, holds a run of another configuration or on other
    /// training data, or only unreadable checkpoints. Corrupt checkpoints are renamed; this, and changed settings, are passed to `report`.
    func prepare(
        _ configuration: TrainingConfiguration, _ given: RunSettings, _ data: RunData, resumes: Bool,
        report: (Failure) -> Void
    ) throws -> (path: String, manifest: Manifest)? {
        let manager = FileManager.default
        guard !manager.fileExists(atPath: "\(path)/\(ShardIndex.fileName)") else {
            throw Failure("\(path) holds shards", hint: "choose another directory for --run")
        }
        try makeWritable()
        let isUsed = try manager.fileExists(atPath: configurationPath) && RunSettings.read(run: path)?.isImport != true
        let isImported = !isUsed && holdsImport
        guard isUsed || ((checkpoints.paths().isEmpty || isImported) && !manager.fileExists(atPath: logPath)) else {
            throw Failure(
                "\(path) holds a log or checkpoints, but no \(RunFile.configuration.name) to say whose",
                hint: "restore it, or change --run")
        }
        guard resumes || !(isUsed || isImported) else {
            throw Failure("\(path) holds a run already", hint: "add --resume to go on with it, or change --run")
        }
        if isImported { try requireImport(for: configuration, report: report) }
        let newest = isUsed || isImported ? try newestSound(report: report) : nil
        if let newest, isUsed {
            try requireComparable(configuration, given, data, after: newest.manifest.step, report: report)
        }
        let (done, total) = (newest?.manifest.step ?? 0, configuration.schedule.totalSteps)
        guard done <= total else {
            throw Failure(
                "\(path) holds \(done) steps already, more than the \(total) of this schedule",
                hint: "raise --steps or --epochs")
        }
        var settings = given
        settings.options["virtual-ranks"] = "\(configuration.virtualRanks)"
        settings.options["micro-batch"] = "\(configuration.microBatch)"
        settings.resolved = try configuration.fields.merging(data.fields) { $1 }
        try settings.write(run: path)
        // Of interrupted processes. Another command may be writing a report.
        DurableFile.removePartials(in: path, olderThan: 86_400)
        for file in [logPath, measuresPath] { try keepLines(of: file, through: newest?.manifest.step ?? -1) }
        return newest
    }

    /// The newest readable checkpoint, nil if there is none at all. Newer, unreadable ones are renamed.
    ///
    /// If none can be read, the cause may not be corruption, but for example a failing disk or a newer version: then nothing is changed,
    /// and the `Failure` of the newest is thrown.
    private func newestSound(report: (Failure) -> Void) throws -> (path: String, manifest: Manifest)? {
        var unreadable: [(path: String, failure: Failure)] = []
        let newest = checkpoints.newest { unreadable.append(($0, $1)) }
        if newest == nil, let first = unreadable.first {
            throw Failure(
                first.failure.problem + (unreadable.count > 1 ? ", and no checkpoint before it can be read" : ""),
                hint: "\(first.failure.hint), or begin a new --run")
        }
        for (path, failure) in unreadable {
            let aside = checkpoints.setAside(path)
            report(Failure("\(failure.problem); it is now \(aside)", hint: "the checkpoint before it is used"))
        }
        return newest
    }

    /// Locks the run against other processes. Those of a killed job may take a moment to end; the wait is reported to `say`.
    package func lock(say: @escaping @Sendable (String) -> Void) throws -> FileLock {
        try makeWritable()
        return try FileLock(RunFile.lock.path(in: path), use: path, waitingUpTo: 10, say: say)
    }

    private func makeWritable() throws {
        guard (try? makeDirectory(path)) != nil, access(path, W_OK | X_OK) == 0 else {
            throw Failure("cannot write to the run directory \(path)", hint: "check its permissions, or change --run")
        }
    }

    /// Drops log lines of later steps, which will be written again; -1 drops those of all steps.
    private func keepLines(of file: String, through step: Int) throws {
        guard access(file, F_OK) == 0 else { return }
        let bytes = try RegularFile.contents(of: file, limit: 1 << 36)
        let kept = LogTail.kept(of: bytes, through: step)
        if kept != bytes { try DurableFile.write(kept, to: file) }
    }
}
