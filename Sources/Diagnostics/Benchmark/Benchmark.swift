import Base
import Collectives
import CrateModel
import Foundation
import Kernels
import Training

/// The speed of training on this machine.
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
    /// The fraction of `productGflops` reached by the steps.
    package let fractionOfProductBound: Double
    /// The largest resident memory of a rank.
    package let peakMemoryBytes: Int
    /// The mean over the steps.
    package let stepSeconds: Double
    /// Means over the steps, for each part of a step on rank 0.
    package let seconds: [String: Double]
}

/// Measures the rate of products, then `steps` training steps (after a warm-up step) on the shards in `data`.
/// Collective; all ranks return the result, but `seconds` are those of the rank itself.
package func benchmark(
    _ configuration: TrainingConfiguration, data: String, threads: Int, steps: Int,
    bucketBytes: Int, world: World
) throws -> BenchmarkResult {
    var trainer = try Trainer(
        configuration, data: data, threads: threads, DistributionOptions(bucketBytes: bucketBytes), world)
    try trainer.load(from: nil)
    trainer.begin(at: 0)
    let productRate = try measureProducts(configuration, trainer.replica.team, world)

    var rates: [Double] = []
    var seconds = StepSeconds()
    for step in 0...steps {
        let result = try trainer.trainStep(step)
        guard step > 0 else { continue }
        rates.append(Double(configuration.batchSize) / result.seconds.total)
        seconds += result.seconds
    }
    rates.sort()
    let median = (rates[(rates.count - 1) / 2] + rates[rates.count / 2]) / 2
    var usage = rusage()
    getrusage(Int32(RUSAGE_SELF.rawValue), &usage)
    return BenchmarkResult(
        ranks: world.size, threads: threads, batchSize: configuration.batchSize, microBatch: configuration.microBatch,
        precision: configuration.precision,
        imagesPerSecond: .init(median: median, min: rates[0], max: rates[rates.count - 1]),
        gflopPerImage: trainer.replica.model.operationsPerImage * 1e-9, productGflops: productRate * 1e-9,
        fractionOfProductBound: median * trainer.replica.model.operationsPerImage / productRate,
        peakMemoryBytes: -world.minimum(-usage.ru_maxrss * 1024),
        stepSeconds: seconds.total / Double(steps),
        seconds: Dictionary(uniqueKeysWithValues: StepPart.allCases.map { ("\($0)", seconds[$0] / Double(steps)) }))
}

/// The rate over all threads of all ranks, measured at the same time.
private func measureProducts(
    _ configuration: TrainingConfiguration, _ team: ThreadTeam, _ world: World
) throws -> Double {
    let (model, format) = (configuration.model, configuration.precision.format)
    let rates = UnsafeMutablePointer<Double>.allocate(capacity: team.count)
    defer { rates.deallocate() }
    var sum = [0.0]
    world.sum(&sum)  // so that all ranks start together
    team.run { thread in
        rates[thread] =
            (try? productRate(dim: model.dim, rows: 8 * model.tokenCount, format: format, repetitions: 30)) ?? .nan
    }
    sum = [(0..<team.count).reduce(0) { $0 + rates[$1] }]
    world.sum(&sum)
    guard sum[0].isFinite else { throw Failure("no memory to measure products", hint: "use fewer threads") }
    return sum[0]
}
