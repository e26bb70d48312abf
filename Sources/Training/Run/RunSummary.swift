import Base
import CrateModel
import Foundation

/// What a run is about to do, in one line.
func runSummary(_ configuration: TrainingConfiguration, _ model: Model, ranks: Int) -> String {
    let (schedule, shape) = (configuration.schedule, configuration.model)
    let head = configuration.classification.map { ", \($0.labels.classes) classes" }
    return String(
        format:
            "%@, %.1f M parameters (width %d, depth %d%@, %d heads), images of %d pixels in patches of %d, %ld samples, "
            + "%ld steps of %ld, peak lr %.2e",
        counted(ranks, "rank"), Double(model.layout.parameterCount) / 1e6, shape.dim, shape.depth,
        head ?? " + \(shape.decoderDepth)", shape.heads, shape.imageSize, shape.patchSize, configuration.sampleCount,
        schedule.totalSteps,
        configuration.batchSize, schedule.peak)
}
