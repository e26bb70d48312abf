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
    /// The learning rate of the step.
    public var lr: Double?
    /// The global norm of the gradients before clipping.
    public var gradNorm: Double?
    /// Images a second over all ranks.
    public var imagesPerSecond: Double?
    /// Seconds of the step that rank 0 spent on reading and augmenting.
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
    /// What happened beside the steps.
    public var event: String?
}

extension LogEntry {
    /// The line of the step that makes `done`.
    init(_ result: StepResult, _ configuration: PretrainConfiguration, after done: Int) {
        let seconds = result.seconds
        self.init(
            step: done, epoch: configuration.epoch(after: done), loss: result.isSkipped ? nil : result.loss,
            lr: configuration.schedule.rate(at: done - 1), gradNorm: result.isSkipped ? nil : result.gradientNorm,
            imagesPerSecond: Double(configuration.batchSize) / seconds.total, dataSeconds: seconds[.data],
            computeSeconds: seconds.passes + seconds[.optimizer], communicationSeconds: seconds[.reduction],
            slowestRank: result.slowest.rank, slowestDataSeconds: result.slowest.data,
            slowestComputeSeconds: result.slowest.compute, slowestWaitSeconds: result.slowest.wait,
            skipped: result.isSkipped ? true : nil)
    }
}

/// Appends to `log.jsonl`, a JSON object a line.
struct RunLog: ~Copyable {
    private let handle: FileHandle
    private let path: String
    private let encoder: JSONEncoder

    static var decoder: JSONDecoder {
        let decoder = JSONDecoder()
        decoder.keyDecodingStrategy = .convertFromSnakeCase
        return decoder
    }

    init(path: String) throws {
        let descriptor = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0o644)
        guard descriptor >= 0 else { throw systemFailure("cannot open \(path)") }
        handle = FileHandle(fileDescriptor: descriptor, closeOnDealloc: true)
        self.path = path
        encoder = JSONEncoder()
        encoder.keyEncodingStrategy = .convertToSnakeCase
        encoder.outputFormatting = [.sortedKeys]
    }

    borrowing func append(_ entry: LogEntry) throws {
        let line = try encoder.encode(entry) + [UInt8(ascii: "\n")]
        do {
            try handle.write(contentsOf: line)
        } catch {
            throw Failure("cannot write \(path): \(error.localizedDescription)", hint: "check the disk")
        }
    }
}
