import Files
import Foundation

/// One line of `log.jsonl`: a step, or an evaluation after so many steps.
public struct LogEntry: Codable, Equatable, Sendable {
    /// Steps done.
    public var step: Int
    /// Epochs done, a fraction.
    public var epoch: Double
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
    /// Seconds of the step that rank 0 waited for samples to be read and augmented.
    public var dataSeconds: Double?
    /// Seconds of the step that rank 0 spent on computing.
    public var computeSeconds: Double?
    /// Seconds of the step that rank 0 spent on exchanging gradients, waiting included.
    public var communicationSeconds: Double?
    /// Damaged samples of the step that others stood in for; absent where there is none.
    public var substituted: Int?
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
