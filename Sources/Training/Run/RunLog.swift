import Base
import Checkpoints
import Foundation

extension LogEntry {
    /// The line of an evaluation after `step` steps, and of the averaged weights if there are any. A loss that is not finite is
    /// left out, since JSON cannot represent it.
    init(_ result: Evaluation, average: Evaluation?, _ configuration: TrainingConfiguration, after step: Int) {
        self.init(step: step, epoch: configuration.epoch(after: step))
        validationLoss = result.loss.isFinite ? result.loss : nil
        validationLossAverage = average.flatMap { $0.loss.isFinite ? $0.loss : nil }
        validationTop1Average = average?.accuracy?.top1
        validationTop1 = result.accuracy?.top1
        validationTop5 = result.accuracy?.top5
    }

    /// The line of the step after which `done` steps are done.
    init(_ result: StepResult, _ configuration: TrainingConfiguration, saveSeconds: Double?, after done: Int) {
        let seconds = result.seconds
        self.init(step: done, epoch: configuration.epoch(after: done))
        lr = configuration.schedule.rate(at: done - 1)
        if result.isSkipped {
            skipped = true
        } else {
            (loss, gradNorm) = (result.loss, result.gradientNorm)
        }
        imagesPerSecond = Double(configuration.batchSize) / seconds.total
        dataSeconds = seconds[.data]
        computeSeconds = seconds.passes + seconds[.optimizer]
        communicationSeconds = seconds[.reduction]
        if let slowest = result.slowest {
            slowestRank = slowest.rank
            (slowestDataSeconds, slowestComputeSeconds, slowestWaitSeconds) =
                (slowest.data, slowest.compute, slowest.wait)
        }
        substituted = result.substituted > 0 ? result.substituted : nil
        self.saveSeconds = saveSeconds
    }
}

/// A JSON Lines file such as `log.jsonl`; see `AppendingFile` for a full disk.
struct RunLog {
    private let file: AppendingFile
    private let encoder = JSONEncoder()

    init(path: String) throws {
        file = try AppendingFile(path)
        encoder.outputFormatting = [.sortedKeys]
        try DurableFile.sync(path.parentPath)
    }

    /// Waits until all lines are on the disk, on any thread.
    func sync() { file.sync() }

    /// Appends a line. Returns the failure the first time that writing fails, otherwise nil; throws `Failure` when more is kept than fits
    /// the limit.
    func append(_ entry: some Encodable) throws -> Failure? {
        try file.append(encoder.encode(entry) + [UInt8(ascii: "\n")])
    }
}
