import Analysis
import Base
import Checkpoints
import Foundation
import Images
import Reports

/// A run in TensorBoard: two runs side by side, one over steps and one over epochs times 1,000 (as in MAE), so that runs with different
/// batch sizes are comparable.
struct TensorBoardLog {
    private let bySteps: EventFile
    private let byEpochs: EventFile
    private let configuration: TrainingConfiguration

    /// Starts new files after `start` steps; later steps in earlier files are discarded.
    init(_ configuration: TrainingConfiguration, path: String, start: Int) throws {
        self.configuration = configuration
        bySteps = try EventFile(directory: "\(path)/steps", purgeStep: start == 0 ? 0 : start + 1)
        byEpochs = try EventFile(
            directory: "\(path)/epochs-1000x",
            purgeStep: start == 0 ? 0 : Self.thousandths(configuration.epoch(after: start)) + 1)
        let text = try configuration.fields.sorted { $0.key < $1.key }.map { "\($0): \($1)" }.joined(separator: "\n")
        _ = try bySteps.append(step: start, [.text("configuration", "```\n\(text)\n```")])
    }

    func append(_ entry: LogEntry) throws -> Failure? {
        let curves = [
            ("train/loss", entry.loss), ("train/lr", entry.lr), ("train/grad_norm", entry.gradNorm),
            ("train/images_per_second", entry.imagesPerSecond), ("validation/loss", entry.validationLoss),
            ("validation/top1", entry.validationTop1), ("validation/top5", entry.validationTop5),
            ("validation/loss_average", entry.validationLossAverage),
            ("validation/top1_average", entry.validationTop1Average),
            ("validation/neighbours", entry.validationNeighbours),
        ]
        return try append(entry.step, curves.compactMap { tag, value in value.map { .scalar(tag, $0) } })
    }

    /// Adds the means of the metrics, one group of curves per metric.
    func append(_ measurement: LayerMeasurement) throws -> Failure? {
        var values: [EventValue] = []
        func add(_ name: String, _ block: Int, _ value: Double?) {
            if let value { values.append(.scalar(String(format: "%@/block_%02d", name, block + 1), value)) }
        }
        for (block, metrics) in measurement.encoder.enumerated() {
            for metric in EncoderMetric.allCases { add(metric.rawValue, block, metrics[metric]?.mean) }
        }
        for (block, metrics) in measurement.decoder.enumerated() {
            add("decoder_discrepancy", block, metrics.discrepancy?.mean)
        }
        return try append(measurement.step, values)
    }

    func append(_ image: Image, tag: String, step: Int) throws -> Failure? { try append(step, [.image(tag, image)]) }

    private func append(_ step: Int?, _ values: [EventValue]) throws -> Failure? {
        guard let step, !values.isEmpty else { return nil }
        let failure = try bySteps.append(step: step, values)
        return try byEpochs.append(step: Self.thousandths(configuration.epoch(after: step)), values) ?? failure
    }

    private static func thousandths(_ epoch: Double) -> Int { Int(epoch * 1000) }
}
