import Base
import Foundation

/// The learning rate of every step: linear warm-up from 0, then half a cosine down to 0.
///
///     rate(s) = peak s / warmup                                          for s < warmup
///     rate(s) = peak / 2 (1 + cos(pi (s - warmup) / (total - warmup)))   from there on
package struct LearningRate: Codable, Equatable, Sendable {
    /// The rate at the end of the warm-up.
    package let peak: Double
    package let warmupSteps: Int
    package let totalSteps: Int

    package init(peak: Double, warmupSteps: Int, totalSteps: Int) {
        self.peak = peak
        self.warmupSteps = warmupSteps
        self.totalSteps = totalSteps
    }

    /// A schedule of `epochs` epochs of `sampleCount` samples in steps of `batchSize`, or of `steps` steps. Warm-up is `warmupEpochs`
    /// epochs, or 5% of the run. Throws `Failure` if it does not fit.
    package init(
        peak: Double, epochs: Int?, steps: Int?, warmupEpochs: Double?, sampleCount: Int, batchSize: Int
    ) throws {
        let total = steps ?? ((epochs ?? 0) * sampleCount + batchSize - 1) / batchSize
        let warmup = warmupEpochs.map { Int(($0 * Double(sampleCount) / Double(batchSize)).rounded()) } ?? total / 20
        guard total > 0, warmup >= 0, warmup < total else {
            throw Failure(
                "a warm-up of \(warmup) steps does not fit into \(total) steps",
                hint: "raise --epochs or --steps, or lower --warmup-epochs")
        }
        self.init(peak: peak, warmupSteps: warmup, totalSteps: total)
    }

    /// `step` counts from 0.
    package func rate(at step: Int) -> Double {
        if step < warmupSteps { return peak * Double(step) / Double(warmupSteps) }
        let progress = Double(step - warmupSteps) / Double(max(1, totalSteps - warmupSteps))
        return peak / 2 * (1 + cos(.pi * min(1, progress)))
    }
}
