import Base
import Collectives
import CrateModel
import Foundation
import Kernels
import Loader
import Optimizers
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
    /// See `ModelOperations.nominal`.
    package let gflopPerImage: Double
    /// The rate of matrix products alone, on all threads of all ranks at once.
    package let productGflops: Double
    package let fractionOfProductBound: Double
    /// The operations that are executed for an image (see `ModelOperations.executed`) times images per second, of the
    /// arithmetic peak of all threads. Nil in files of older versions.
    package let fractionOfPeak: Double?
    /// The largest resident memory of a rank.
    package let peakMemoryBytes: Int
    /// Means over the steps; `seconds` has each part of a step on rank 0.
    package let stepSeconds: Double
    package let seconds: [String: Double]
}

/// Measures the rate of products, then `steps` training steps (after a warm-up step) on the shards in `data`.
/// Collective; all ranks return the result, but `seconds` are those of the rank itself.
package func benchmark(
    _ configuration: TrainingConfiguration, data: String, threads: Int, products: ProductBackend, steps: Int,
    bucketBytes: Int, world: World
) throws -> BenchmarkResult {
    var trainer = try Trainer(
        configuration, data: data, threads: threads, products: products, bucketBytes: bucketBytes, world)
    try trainer.load(from: nil)
    trainer.begin(at: 0)
    let (model, precision) = (configuration.model, configuration.precision)
    var productRates = [
        try measureProducts(trainer.replica.team, world) {
            try? productRate(dim: model.dim, rows: 8 * model.tokenCount, precision, products, repetitions: 30)
        }
    ]
    productRates.append(try measureProducts(trainer.replica.team, world) { arithmeticPeak(precision.format(products)) })
    world.sum(&productRates)

    var rates: [Double] = []
    var seconds = StepSeconds()
    for step in 0...steps {
        let result = try trainer.trainStep(step)
        guard step > 0 else { continue }
        rates.append(Double(configuration.batchSize) / result.seconds.total)
        seconds += result.seconds
    }
    let (median, operations) = (
        rates.median, try trainer.replica.model.operations(visible: configuration.visiblePatches)
    )
    var usage = rusage()
    getrusage(Int32(RUSAGE_SELF.rawValue), &usage)
    return BenchmarkResult(
        ranks: world.size, threads: threads, batchSize: configuration.batchSize, microBatch: configuration.microBatch,
        precision: configuration.precision,
        imagesPerSecond: .init(median: median, min: rates.min() ?? 0, max: rates.max() ?? 0),
        gflopPerImage: operations.nominal * 1e-9, productGflops: productRates[0] * 1e-9,
        fractionOfProductBound: median * operations.nominal / productRates[0],
        fractionOfPeak: median * operations.executed / productRates[1],
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

/// The cost of summing gradients and updating parameters on all ranks, without overlap. Medians over the rounds.
package struct ExchangeResult: Codable, Sendable {
    /// This program's exchange: tree reduction, update of the own parts, gather.
    package let treeSeconds: Double
    /// MPI_Allreduce and the update of all parameters on every rank.
    package let allReduceSeconds: Double
}

/// Measures both alternately, `rounds` times each, after a warm-up round. Collective.
package func benchmarkExchange(
    _ model: Model, wire: WireFormat, bucketBytes: Int, rounds: Int, world: World
) throws -> ExchangeResult {
    let layout = model.layout
    let partition = Partition(count: layout.bufferCount, bucketCount: bucketBytes / 4, ranks: world.size)
    let sharded = try world.agree { try TrainedBuffers(layout, parts: partition.parts(of: world.rank)) }
    let whole = try world.agree { try TrainedBuffers(layout) }
    let squares = try world.agree { try OwnedBuffer<Double>(count: partition.blocks) }
    let exchange = try world.agree {
        try GradientExchange(
            world, partition, leaves: 1, gradients: sharded.gradients.pointer, parameters: sharded.parameters.pointer,
            wire: wire)
    }
    var (tree, allReduce): ([Double], [Double]) = ([], [])
    for round in 0...rounds {
        sharded.fillGradients()
        whole.fillGradients()
        world.barrier()
        var watch = Stopwatch()
        exchange.complete(from: 0)
        _ = exchange.finishReduction()
        sharded.optimizer.sumSquares(of: sharded.gradients.pointer, into: squares.pointer)
        world.sum(squares.elements)
        for part in sharded.optimizer.parts.indices {
            sharded.update(part: part, step: round)
            exchange.publish()
        }
        exchange.finishGather()
        world.barrier()
        let treeSeconds = watch.lap()
        world.sum(whole.gradients.pointer, count: layout.bufferCount)
        whole.optimizer.sumSquares(of: whole.gradients.pointer, into: squares.pointer)
        whole.update(part: 0, step: round)
        world.barrier()
        guard round > 0 else { continue }
        tree.append(treeSeconds)
        allReduce.append(watch.lap())
    }
    return ExchangeResult(treeSeconds: tree.median, allReduceSeconds: allReduce.median)
}

private struct TrainedBuffers: ~Copyable {
    let parameters, gradients: OwnedBuffer<Float>
    let optimizer: Optimizer
}

extension TrainedBuffers {
    init(_ layout: ParameterLayout, parts: [Range<Int>]? = nil) throws {
        self.init(
            parameters: try OwnedBuffer(count: layout.bufferCount),
            gradients: try OwnedBuffer(count: layout.bufferCount),
            optimizer: try Optimizer(layout, rule: .adamW(weightDecay: 0.1), parts: parts))
    }

    /// Non-zero values, so that the arithmetic costs as much as in training.
    borrowing func fillGradients() {
        for index in 0..<gradients.count { gradients.pointer[index] = Float(index & 255) * 1e-6 }
    }

    borrowing func update(part: Int, step: Int) {
        optimizer.update(
            part: part, of: parameters.pointer, gradients: gradients.pointer, step: step, rate: 1e-4, scale: 1)
    }
}

/// The speed of reading and augmenting samples, without a model.
package struct LoaderBenchmarkResult: Codable, Sendable {
    package let images: Int
    /// Images per second on one core, over all epochs except the first, which also opens the shards.
    package let imagesPerSecond: Double
    package let epochs: [Double]
    package let residentBytes: [Int]
    /// Mean time to compute the sample at a position, for two billion samples and a million positions.
    package let secondsPerPosition: Double
}

/// Reads `epochs` epochs of the shards in `data` as training does, without a model.
package func benchmarkLoader(data: String, imageSize: Int, patchSize: Int, epochs: Int) throws -> LoaderBenchmarkResult
{
    let capacity = 8
    let loader = try BatchLoader(
        LoaderSettings(
            path: data, imageSize: imageSize, patchSize: patchSize, maskRatio: 0.75, seed: 0, capacity: capacity))
    var (rates, memory): ([Double], [Int]) = ([], [])
    for epoch in 0..<epochs {
        var watch = Stopwatch()
        loader.begin(
            BatchSequence(
                first: epoch * loader.count, size: capacity, stride: capacity, end: (epoch + 1) * loader.count),
            for: .training)
        while try loader.next() != nil {}
        rates.append(Double(loader.count) / watch.lap())
        memory.append(try residentBytes())
    }
    let measured = rates.count > 1 ? rates.dropFirst() : rates[...]
    return LoaderBenchmarkResult(
        images: loader.count, imagesPerSecond: Double(measured.count) / measured.reduce(0) { $0 + 1 / $1 },
        epochs: rates, residentBytes: memory, secondsPerPosition: secondsPerPosition())
}

private func secondsPerPosition() -> Double {
    let (count, positions) = (2_000_000_000, 1_000_000)
    var sampler = Sampler(count: count, seed: 0)
    var (watch, sum) = (Stopwatch(), 0)
    for position in 0..<positions { sum &+= sampler.sample(at: position &* 1999).sample }
    // Always true; keeps the compiler from removing the loop.
    return sum >= 0 ? watch.lap() / Double(positions) : .nan
}

private func residentBytes() throws -> Int {
    let path = "/proc/self/statm"
    guard let text = try? String(contentsOfFile: path, encoding: .utf8),
        let pages = text.split(separator: " ").dropFirst().first.flatMap({ Int($0) })
    else { throw Failure("cannot read \(path)", hint: "measure on Linux") }
    return pages * sysconf(Int32(_SC_PAGESIZE))
}
