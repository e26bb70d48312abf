import Files
import Foundation

/// One line of `log.jsonl`: a step, or an evaluation after so many steps.
public struct LogEntry: Codable, Equatable, Sendable {
    /// Steps done; none for an event.
    public var step: Int?
    /// Epochs done, a fraction.
    public var epoch: Double?
    /// The mean loss over the global batch.
    public var loss: Double?
    /// The mean loss over the validation set.
    public var validationLoss: Double?
    /// The fractions of the validation set whose class a classifier names first, and among its first five.
    public var validationTop1, validationTop5: Double?
    /// The learning rate of the step.
    public var lr: Double?
    /// The global norm of the gradients before clipping.
    public var gradNorm: Double?
    /// Images a second over all ranks.
    public var imagesPerSecond: Double?
    /// Seconds of the step that rank 0 waited for samples to be read and augmented.
    public var dataSeconds: Double?
    /// Seconds of the step that rank 0 spent on computing.
    public var computeSeconds: Double?
    /// Seconds of the step that rank 0 spent on exchanging gradients, waiting included.
    public var communicationSeconds: Double?
    /// The rank that worked longest in the step, and its seconds of reading, of computing, and of waiting for others.
    public var slowestRank: Int?
    /// See `slowestRank`.
    public var slowestDataSeconds, slowestComputeSeconds, slowestWaitSeconds: Double?
    /// Whether the step changed nothing, since its loss or gradients were not finite.
    public var skipped: Bool?
    /// Damaged samples of the step that others stood in for; absent where there is none.
    public var substituted: Int?
    /// Seconds for which a checkpoint that was begun before the step held up training.
    public var saveSeconds: Double?
    /// What happened beside the steps.
    public var event: String?
}

extension LogEntry {
    /// The line of an evaluation after `step` steps.
    init(_ result: Evaluation, _ configuration: PretrainConfiguration, after step: Int) {
        self.init(
            step: step, epoch: configuration.epoch(after: step), validationLoss: result.loss,
            validationTop1: result.accuracy?.top1, validationTop5: result.accuracy?.top5)
    }

    /// The line of the step that makes `done`.
    init(_ result: StepResult, _ configuration: PretrainConfiguration, saveSeconds: Double?, after done: Int) {
        let seconds = result.seconds
        self.init(
            step: done, epoch: configuration.epoch(after: done), loss: result.isSkipped ? nil : result.loss,
            lr: configuration.schedule.rate(at: done - 1), gradNorm: result.isSkipped ? nil : result.gradientNorm,
            imagesPerSecond: Double(configuration.batchSize) / seconds.total, dataSeconds: seconds[.data],
            computeSeconds: seconds.passes + seconds[.optimizer], communicationSeconds: seconds[.reduction],
            slowestRank: result.slowest.rank, slowestDataSeconds: result.slowest.data,
            slowestComputeSeconds: result.slowest.compute, slowestWaitSeconds: result.slowest.wait,
            skipped: result.isSkipped ? true : nil, substituted: result.substituted > 0 ? result.substituted : nil,
            saveSeconds: saveSeconds)
    }
}

/// Appends to `log.jsonl`, a JSON object a line. What cannot be written, on a full disk say, is kept for the next time. A class,
/// since what is kept changes under a loop that only appends.
final class RunLog {
    private let descriptor: Int32
    private let path: String
    private let encoder = JSONEncoder()
    private var pending: [UInt8] = []
    private var isFailing = false

    static var decoder: JSONDecoder {
        let decoder = JSONDecoder()
        decoder.keyDecodingStrategy = .convertFromSnakeCase
        return decoder
    }

    init(path: String) throws {
        descriptor = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0o644)
        guard descriptor >= 0 else { throw systemFailure("cannot open \(path)") }
        self.path = path
        encoder.keyEncodingStrategy = .convertToSnakeCase
        encoder.outputFormatting = [.sortedKeys]
    }

    deinit { close(descriptor) }

    /// Appends a line. Returns what is wrong the first time that lines cannot be written, nil otherwise; throws `Failure` when
    /// more are kept than memory should hold.
    func append(_ entry: LogEntry) throws -> Failure? {
        pending += try encoder.encode(entry) + [UInt8(ascii: "\n")]
        while !pending.isEmpty {
            let written = pending.withUnsafeBytes { write(descriptor, $0.baseAddress!, $0.count) }
            if written < 0 && errno == EINTR { continue }
            guard written > 0 else { break }
            pending.removeFirst(written)
        }
        defer { isFailing = !pending.isEmpty }
        guard !pending.isEmpty else { return nil }
        let failure = systemFailure("cannot write \(path)")
        guard pending.count < 64 << 20 else { throw failure }
        return isFailing ? nil : failure
    }
}
