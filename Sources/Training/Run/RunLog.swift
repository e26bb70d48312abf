import Base
import Foundation

/// One line of `log.jsonl`: a step, or an evaluation after so many steps.
package struct LogEntry: Codable, Equatable, Sendable {
    /// Steps done; none for an event.
    package var step: Int?
    /// Epochs done, a fraction.
    package var epoch: Double?
    /// The mean loss over the global batch.
    package var loss: Double?
    /// The mean loss over the validation set.
    package var validationLoss: Double?
    /// The fractions of the validation set whose class a classifier names first, and among its first five.
    package var validationTop1, validationTop5: Double?
    /// The learning rate of the step.
    package var lr: Double?
    /// The global norm of the gradients before clipping.
    package var gradNorm: Double?
    /// Images a second over all ranks.
    package var imagesPerSecond: Double?
    /// Seconds of the step that rank 0 waited for samples to be read and augmented.
    package var dataSeconds: Double?
    /// Seconds of the step that rank 0 spent on computing.
    package var computeSeconds: Double?
    /// Seconds of the step that rank 0 spent on exchanging gradients, waiting included.
    package var communicationSeconds: Double?
    /// The rank that worked longest in the step, and its seconds of reading, of computing, and of waiting for others;
    /// absent where there is one rank.
    package var slowestRank: Int?
    /// See `slowestRank`.
    package var slowestDataSeconds, slowestComputeSeconds, slowestWaitSeconds: Double?
    /// Whether the step changed nothing, since its loss or gradients were not finite.
    package var skipped: Bool?
    /// Damaged samples of the step that others stood in for; absent where there is none.
    package var substituted: Int?
    /// Seconds for which a checkpoint that was begun before the step held up training.
    package var saveSeconds: Double?
    /// Seconds that the measures of the layers after this step took.
    package var measureSeconds: Double?
    /// What happened beside the steps.
    package var event: String?
}

extension LogEntry {
    /// The line of an evaluation after `step` steps; without the loss where that is not finite, since JSON has no such number.
    init(_ result: Evaluation, _ configuration: TrainingConfiguration, after step: Int) {
        self.init(
            step: step, epoch: configuration.epoch(after: step),
            validationLoss: result.loss.isFinite ? result.loss : nil,
            validationTop1: result.accuracy?.top1, validationTop5: result.accuracy?.top5)
    }

    /// The line of the step that makes `done`.
    init(_ result: StepResult, _ configuration: TrainingConfiguration, saveSeconds: Double?, after done: Int) {
        let seconds = result.seconds
        self.init(
            step: done, epoch: configuration.epoch(after: done), loss: result.isSkipped ? nil : result.loss,
            lr: configuration.schedule.rate(at: done - 1), gradNorm: result.isSkipped ? nil : result.gradientNorm,
            imagesPerSecond: Double(configuration.batchSize) / seconds.total, dataSeconds: seconds[.data],
            computeSeconds: seconds.passes + seconds[.optimizer], communicationSeconds: seconds[.reduction],
            slowestRank: result.slowest?.rank, slowestDataSeconds: result.slowest?.data,
            slowestComputeSeconds: result.slowest?.compute, slowestWaitSeconds: result.slowest?.wait,
            skipped: result.isSkipped ? true : nil, substituted: result.substituted > 0 ? result.substituted : nil,
            saveSeconds: saveSeconds)
    }
}

/// A file of JSON objects, one a line, such as `log.jsonl`; see `AppendingFile` for what happens on a full disk.
struct RunLog {
    private let file: AppendingFile
    private let encoder = JSONEncoder()

    static var decoder: JSONDecoder {
        let decoder = JSONDecoder()
        decoder.keyDecodingStrategy = .convertFromSnakeCase
        return decoder
    }

    init(path: String) throws {
        file = try AppendingFile(path)
        encoder.keyEncodingStrategy = .convertToSnakeCase
        encoder.outputFormatting = [.sortedKeys]
    }

    /// Appends a line. Returns what is wrong the first time that lines cannot be written, nil otherwise; throws `Failure` when
    /// more are kept than memory should hold.
    func append(_ entry: some Encodable) throws -> Failure? {
        try file.append(encoder.encode(entry) + [UInt8(ascii: "\n")])
    }
}
