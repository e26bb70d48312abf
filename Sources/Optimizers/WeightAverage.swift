import Kernels

/// The exponential moving average of the parameters that `--ema` keeps. It follows the first steps closely, so that it soon
/// forgets the initial values.
///
/// Source of the decay's warm-up: TensorFlow's ExponentialMovingAverage with `num_updates`.
package struct WeightAverage: Equatable, Sendable {
    /// What d approaches, in (0, 1).
    package let decay: Double

    package init(decay: Double) { self.decay = decay }

    /// Updates `count` averages in place after the parameters have taken step `step`, which counts from 0:
    ///
    ///     d = min(decay, (1 + step) / (10 + step));  a += (1 - d) (p - a)
    ///
    /// That is d a + (1 - d) p, without the error of d and 1 - d that do not add up to 1.
    package func update(
        _ averages: UnsafeMutablePointer<Float>, parameters: UnsafePointer<Float>, count: Int, step: Int
    ) {
        let share = Float(1 - min(decay, Double(1 + step) / Double(10 + step)))
        for (i, lanes) in Vectors(count) {
            let average = load(averages + i, lanes)
            store(average + (load(parameters + i, lanes) - average) * share, averages + i, lanes)
        }
    }
}

extension Optimizer {
    /// Sets this rank's averages, if there are any, to its parts of `parameters`.
    package borrowing func startAverage(from parameters: UnsafePointer<Float>) {
        forEachAveragedPart { part, averages in
            averages.update(from: parameters + part.lowerBound, count: part.count)
        }
    }

    /// Exchanges this rank's averages and its parts of `parameters`, which needs no memory; a second call undoes it.
    package borrowing func swapAverage(with parameters: UnsafeMutablePointer<Float>) {
        forEachAveragedPart { part, averages in
            let own = parameters + part.lowerBound
            for i in 0..<part.count { (own[i], averages[i]) = (averages[i], own[i]) }
        }
    }

    private borrowing func forEachAveragedPart(_ body: (Range<Int>, UnsafeMutablePointer<Float>) -> Void) {
        guard moments.average != nil else { return }
        for part in parts where !part.isEmpty { body(part, moments.values(.average, at: part)) }
    }
}
