import Base
import Collectives
import CrateModel
import Foundation
import Kernels
import Training

package struct BenchmarkResult: Codable, Sendable {
    /// Images per second over all ranks.
    package struct Rate: Codable, Sendable {
        package let median: Double
        package let min: Double
        package let max: Double
    }

    /// `threads` is per rank; `batchSize` images per step, `microBatch` per pass.
    package let ranks, threads, batchSize, microBatch: Int
    package let precision: Precision
    package let imagesPerSecond: Rate
    /// See `Model.operationsPerImage`.
    package let gflopPerImage: Double
    /// The rate of matrix products alone, on all threads of all ranks at once.
    package let productGflops: Double
    package let fractionOfProductBound: Double
    /// The largest resident memory of a rank.
    package let peakMemoryBytes: Int
    /// Means over the steps; `seconds` has each part of a step on rank 0.
    package let stepSeconds: Double
    package let seconds: [String: Double]
}

/// Measures the rate of products, then `steps` training steps (after a warm-up step) on the shards in `data`.
/// Collective; all ranks return the result, but `seconds` are those of the rank itself.
package func benchmark(
    _ configuration: TrainingConfiguration, data: String, threads: Int, steps: Int,
    bucketBytes: Int, world: World
) throws -> BenchmarkResult {
    var trainer = try Trainer(
        configuration, data: data, threads: threads, bucketBytes: bucketBytes, world)
    try trainer.load(from: nil)
    trainer.begin(at: 0)
    let (model, format) = (configuration.model, configuration.precision.format)
    var productRates = [
        try measureProducts(trainer.replica.team, world) {
            try? productRate(dim: model.dim, rows: 8 * model.tokenCount, format: format, repetitions: 30)
        }
    ]
    world.sum(&productRates)

    var rates: [Double] = []
    var seconds = StepSeconds()
    for step in 0...steps {
        let result = try trainer.trainStep(step)
        guard step > 0 else { continue }
        rates.append(Double(configuration.batchSize) / result.seconds.total)
        seconds += result.seconds
    }
    let (median, operations) = (rates.median, trainer.replica.model.operationsPerImage)
    var usage = rusage()
    getrusage(Int32(RUSAGE_SELF.rawValue), &usage)
    return BenchmarkResult(
        ranks: world.size, threads: threads, batchSize: configuration.batchSize, microBatch: configuration.microBatch,
        precision: configuration.precision,
        imagesPerSecond: .init(median: median, min: rates.min() ?? 0, max: rates.max() ?? 0),
        gflopPerImage: operations * 1e-9, productGflops: productRates[0] * 1e-9,
        fractionOfProductBound: median * operations / productRates[0],
        peakMemoryBytes: -world.minimum(-usage.ru_maxrss * 1024),
        stepSeconds: seconds.total / Double(steps),
        seconds: Dictionary(uniqueKeysWithValues: StepPart.allCases.map { ("\($0)", seconds[$0] / Double(steps)) }))
}

/// The sum over this rank's threads of what `rate` returns on each, while all ranks measure. Collective: throws `Failure`
/// on all ranks if `rate` returns nil on one.
func measureProducts(_ team: ThreadTeam, _ world: World, rate: () -> Double?) throws -> Double {
    let rates = try world.agree { try OwnedBuffer<Double>(count: team.count) }
    let values = rates.pointer
    world.barrier()
    team.run { thread in values[thread] = rate() ?? .nan }
    let sum = rates.elements.reduce(0, +)
    try world.agree {
        guard sum.isFinite else { throw Failure("no memory to measure products", hint: "use fewer threads or ranks") }
    }
    return sum
}

extension [Double] {
    /// The mean of the two middle values if their number is even. Must not be empty.
    var median: Double {
        let sorted = sorted()
        return (sorted[(count - 1) / 2] + sorted[count / 2]) / 2
    }
}
