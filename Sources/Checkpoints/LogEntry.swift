/// The fields of a line of `log.jsonl`. Whoever writes or reads one takes its name from here.
package enum LogField: String, CodingKey, CaseIterable, Sendable {
    /// Steps done; absent in an event.
    case step
    /// Epochs done, a fraction.
    case epoch
    /// The mean loss over the global batch.
    case loss
    /// The mean loss over the validation set.
    case validationLoss = "validation_loss"
    /// Fractions of the validation set whose class a classifier names first, and among its first five.
    case validationTop1 = "validation_top1"
    case validationTop5 = "validation_top5"
    /// The same loss, and the fraction that is named first, of the averaged weights.
    case validationLossAverage = "validation_loss_average"
    case validationTop1Average = "validation_top1_average"
    /// The fraction of the validation set whose class the nearest training samples name.
    case validationNeighbours = "validation_neighbours"
    /// The learning rate of the step.
    case lr
    /// The global norm of the gradients before clipping.
    case gradNorm = "grad_norm"
    /// Over all ranks.
    case imagesPerSecond = "images_per_second"
    /// Seconds of the step that rank 0 waited for samples, computed, and exchanged gradients or waited for that.
    case dataSeconds = "data_seconds"
    case computeSeconds = "compute_seconds"
    case communicationSeconds = "communication_seconds"
    /// The rank that worked longest in the step, and its seconds of reading, of computing, and of waiting for others;
    /// absent with one rank.
    case slowestRank = "slowest_rank"
    case slowestDataSeconds = "slowest_data_seconds"
    case slowestComputeSeconds = "slowest_compute_seconds"
    case slowestWaitSeconds = "slowest_wait_seconds"
    /// True where the step changed nothing because its loss or gradients were not finite.
    case skipped
    /// Corrupt samples of the step that were substituted; absent where there is none.
    case substituted
    /// Seconds for which a checkpoint that was begun before the step delayed training.
    case saveSeconds = "save_seconds"
    /// Seconds of measuring the layers after this step.
    case measureSeconds = "measure_seconds"
    /// Text about anything else that happened.
    case event
}

/// One line of `log.jsonl`: a step, an evaluation, or an event; see `LogField`.
package struct LogEntry: Codable, Equatable, Sendable {
    package typealias CodingKeys = LogField

    package var step: Int?
    package var epoch, loss, validationLoss, validationTop1, validationTop5, lr, gradNorm, imagesPerSecond: Double?
    package var validationLossAverage, validationTop1Average, validationNeighbours: Double?
    package var dataSeconds, computeSeconds, communicationSeconds: Double?
    package var slowestRank: Int?
    package var slowestDataSeconds, slowestComputeSeconds, slowestWaitSeconds: Double?
    package var skipped: Bool?
    package var substituted: Int?
    package var saveSeconds, measureSeconds: Double?
    package var event: String?

    package init(step: Int? = nil, epoch: Double? = nil, event: String? = nil) {
        self.step = step
        self.epoch = epoch
        self.event = event
    }
}
