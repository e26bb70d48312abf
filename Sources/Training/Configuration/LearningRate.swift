import Base
import Foundation

/// The learning rate of every step: linear warm-up from 0, then half a cosine down to 0.
///
///     rate(s) = peak s / warmup                                          for s < warmup
///     rate(s) = peak / 2 (1 + cos(pi (s - warmup) / (total - warmup)))   from there on
package struct LearningRate: Codable, Equatable, Sendable {
    /// The highest rate, reached at the end of the warm-up.
    package let peak: Double
    /// Steps of the warm-up.
    package let warmupSteps: Int
    /// Steps of the whole run.
    package let totalSteps: Int

    /// The schedule of a run of `totalSteps` steps.
    package init(peak: Double, warmupSteps: Int, totalSteps: Int) {
        self.peak = peak
        self.warmupSteps = warmupSteps
        self.totalSteps = totalSteps
    }

    /// The schedule of `epochs` epochs of `sampleCount` samples in steps of `batchSize`, or of `steps` steps; warm-up is
    /// `warmupEpochs` epochs, or a twentieth of the run. Throws `Failure` when there is nothing to do.
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

    /// The rate of step `step`, counted from 0.
    package func rate(at step: Int) -> Double {
        if step < warmupSteps { return peak * Double(step) / Double(warmupSteps) }
        let progress = Double(step - warmupSteps) / Double(max(1, totalSteps - warmupSteps))
        return peak / 2 * (1 + cos(.pi * min(1, progress)))
    }
}
