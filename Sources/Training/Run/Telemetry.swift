import Analysis
import Base
import Checkpoints
import CrateModel
import Foundation
import Loader
import Shards

/// What a run tells of its layers and its course, beside `log.jsonl`.
package struct TelemetryOptions: Sendable {
    /// Steps from one measurement of the layers to the next; nil for one at each evaluation, 0 for none.
    package var measureEvery: Int?
    /// Validation samples that are measured; nil for `defaultImages`.
    package var measureImages: Int?
    /// Whether event files for TensorBoard are written.
    package var writesTensorBoard: Bool

    /// Options from their parts.
    package init(measureEvery: Int? = nil, measureImages: Int? = nil, writesTensorBoard: Bool = true) {
        self.measureEvery = measureEvery
        self.measureImages = measureImages
        self.writesTensorBoard = writesTensorBoard
    }

    /// Samples to measure where `trained` are trained on between two measurements: a hundredth of them, for measuring one takes a
    /// little less than half of the time of training on one; from 8 to 64.
    static func defaultImages(trained: Int) -> Int { min(64, max(8, trained / 100)) }
}

/// Measures the layers while a run goes on, and tells `measures.jsonl` and TensorBoard of them. A class, since it counts what that
/// costs under a loop that only calls it.
final class Telemetry {
    private let measureEvery: Int?
    private let images: Int
    private let configuration: TrainingConfiguration
    private let validation: BatchLoader?
    private let meter: LayerMeter?
    // On rank 0 alone.
    private let measures: RunLog?
    private let board: TensorBoardLog?
    private var (measureSeconds, trainingSeconds) = (0.0, 0.0)

    /// Memory for measurements on the samples of `validation`; without them there are none. On rank 0 the files, too. Throws
    /// `Failure` when memory is short or a file cannot be opened.
    init(
        _ options: RunOptions, _ configuration: TrainingConfiguration, _ trainer: borrowing Trainer,
        validation: BatchLoader?, start: Int
    ) throws {
        let telemetry = options.telemetry
        let (measures, isWriting) = (telemetry.measureEvery != 0 && validation != nil, trainer.world.rank == 0)
        meter =
            measures ? try LayerMeter(trainer.replica.model, images: 1, threads: trainer.replica.team.count) : nil
        self.measures = measures && isWriting ? try RunLog(path: options.run.measuresPath) : nil
        board =
            telemetry.writesTensorBoard && isWriting
            ? try TensorBoardLog(configuration, path: options.run.tensorBoardPath, start: start) : nil
        measureEvery = telemetry.measureEvery
        let trained =
            measureEvery.map { $0 * configuration.batchSize } ?? options.evaluateEvery * configuration.sampleCount
        images = telemetry.measureImages ?? TelemetryOptions.defaultImages(trained: trained)
        self.configuration = configuration
        self.validation = validation
    }

    /// Tells TensorBoard of a line of the log. Returns what is wrong, the first time.
    func append(_ entry: LogEntry) throws -> Failure? { try board?.append(entry) }

    /// Shows TensorBoard some of the samples in `directory`. Without a word where one cannot be read: whoever needs it will say so.
    func showSamples(of directory: String) {
        guard let board, var shards = try? ShardDirectory(path: directory),
            let sheet = try? ContactSheet.image(of: &shards, count: 16)
        else { return }
        _ = try? board.append(sheet.image, tag: "validation/samples", step: 0)
    }

    /// Takes note of a step's seconds.
    func noteStep(seconds: Double) { trainingSeconds += seconds }

    /// Whether the layers are to be measured after `step` steps, at an evaluation or beside one.
    func isDue(after step: Int, isEvaluation: Bool) -> Bool {
        guard meter != nil else { return false }
        guard let steps = measureEvery else { return isEvaluation }
        return step % steps == 0 || step == configuration.schedule.totalSteps
    }

    /// Measures the layers after `step` steps, and returns the line for the log. Warnings go to `warn`, on rank 0. Collective: all
    /// ranks return, or all throw.
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

    /// What measuring has cost, where something was measured and something trained.
    var cost: String? {
        guard measureSeconds > 0, trainingSeconds > 0 else { return nil }
        return String(
            format: "measuring the layers took %.1f s, %.2f%% of the %.1f s of training", measureSeconds,
            100 * measureSeconds / trainingSeconds, trainingSeconds)
    }
}
