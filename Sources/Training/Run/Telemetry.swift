import Analysis
import Base
import Checkpoints
import CrateModel
import Foundation
import Loader
import Settings
import Shards

/// Measures the layers during a run, for `measures.jsonl` and TensorBoard. A class because it counts its cost under a loop that only
/// calls it.
final class Telemetry {
    private let measureEvery: Int?
    private let images: Int
    private let configuration: TrainingConfiguration
    private let validation: BatchLoader?
    private let meter: LayerMeter?
    // Only on rank 0.
    private let measures: RunLog?
    private let board: TensorBoardLog?
    private var (measureSeconds, trainingSeconds) = (0.0, 0.0)

    /// Memory for measurements on the samples of `validation`, if any, and on rank 0 the files. Throws `Failure` if memory is short or a
    /// file cannot be opened.
    init(
        _ options: RunOptions, _ directory: RunDirectory, _ configuration: TrainingConfiguration,
        _ trainer: borrowing Trainer, validation: BatchLoader?, start: Int
    ) throws {
        let telemetry = options.telemetry
        let (measures, isWriting) = (telemetry.measureEvery != 0 && validation != nil, trainer.world.rank == 0)
        meter =
            measures ? try LayerMeter(trainer.replica.model, images: 1, threads: trainer.replica.team.count) : nil
        self.measures = measures && isWriting ? try RunLog(path: directory.measuresPath) : nil
        board =
            telemetry.tensorboard && isWriting
            ? try TensorBoardLog(configuration, path: directory.tensorBoardPath, start: start) : nil
        measureEvery = telemetry.measureEvery
        let trained =
            measureEvery.map { $0 * configuration.batchSize } ?? options.files.evaluateEvery * configuration.sampleCount
        images = telemetry.measureImages ?? Self.defaultImages(trained: trained)
        self.configuration = configuration
        self.validation = validation
    }

    /// Samples to measure if `trained` are trained on between two measurements: 1%, from 8 to 64. Measuring a sample takes a little less
    /// than half the time of training on it.
    private static func defaultImages(trained: Int) -> Int { min(64, max(8, trained / 100)) }

    /// Writes a log line to TensorBoard. Returns the failure the first time.
    func append(_ entry: LogEntry) throws -> Failure? { try board?.append(entry) }

    /// Writes some samples of `directory` to TensorBoard. Errors are ignored; whoever needs the samples will report them.
    func showSamples(of directory: String) {
        guard let board, var shards = try? ShardDirectory(path: directory),
            let sheet = try? shards.contactSheet(count: 16)
        else { return }
        _ = try? board.append(sheet.image, tag: "validation/samples", step: 0)
    }

    func noteStep(seconds: Double) { trainingSeconds += seconds }

    /// Whether the layers are to be measured after `step` steps.
    func isDue(after step: Int, isEvaluation: Bool) -> Bool {
        guard meter != nil else { return false }
        guard let steps = measureEvery else { return isEvaluation }
        return step % steps == 0 || step == configuration.schedule.totalSteps
    }

    /// Measures the layers after `step` steps, and returns the log line. Warnings go to `warn` on rank 0. Collective: all ranks return, or
    /// all throw.
    func measure(_ trainer: borrowing Trainer, step: Int, warn: (Failure) -> Void) throws -> LogEntry? {
        guard let validation, meter != nil else { return nil }
        var watch = Stopwatch()
        var measurement = try measureLayers(
            trainer.replica, loader: validation, images: images, meter: meter!, world: trainer.world)
        let seconds = watch.lap()
        measureSeconds += seconds
        measurement.step = step
        measurement.epoch = configuration.epoch(after: step)
        try trainer.world.agree {
            if let failure = try measures?.append(measurement) { warn(failure) }
            if let failure = try board?.append(measurement) { warn(failure) }
        }
        var entry = LogEntry(step: step, epoch: measurement.epoch)
        entry.measureSeconds = seconds
        return entry
    }

    /// A message about the cost of measuring, if there was any.
    var cost: String? {
        guard measureSeconds > 0, trainingSeconds > 0 else { return nil }
        return String(
            format: "measuring the layers took %.1f s, %.2f%% of the %.1f s of training", measureSeconds,
            100 * measureSeconds / trainingSeconds, trainingSeconds)
    }
}
