import Base
import CrateModel
import Foundation
import Kernels

/// The cluster of a run: equal nodes, each with one link to all others. Rates are per second.
package struct ClusterDescription: Sendable {
    /// A power of two.
    package var ranksPerNode: Int
    /// Threads per rank, each on its own core.
    package var threads: Int
    /// Per core, with all cores of a node busy.
    package var rates: MeasuredRates
    /// Bytes through the link of a node in each direction, shared by its ranks.
    package var linkBandwidth: Double
    /// Seconds from the start of a message between nodes to its first byte.
    package var linkLatency: Double
    /// Bytes that a rank sends to another rank of its node, while receiving as many.
    package var nodeBandwidth: Double
    /// Bytes that a rank reads and writes in memory.
    package var memoryBandwidth: Double

    /// Seconds from the start of a message within a node to its first byte.
    package static let nodeLatency = 1e-6

    package init(
        ranksPerNode: Int, threads: Int, rates: MeasuredRates, linkBandwidth: Double, linkLatency: Double,
        nodeBandwidth: Double, memoryBandwidth: Double
    ) {
        self.ranksPerNode = ranksPerNode
        self.threads = threads
        self.rates = rates
        self.linkBandwidth = linkBandwidth
        self.linkLatency = linkLatency
        self.nodeBandwidth = nodeBandwidth
        self.memoryBandwidth = memoryBandwidth
    }

    /// Throws `Failure` for values that are invalid or out of range.
    package func validate(nodes: Int) throws {
        try requirePowerOfTwo("--nodes", nodes, upTo: 1 << 16)
        try requirePowerOfTwo("--ranks-per-node", ranksPerNode, upTo: 1 << 10)
        guard (1...1024).contains(threads) else {
            throw Failure("\(threads) threads per rank are outside 1 to 1024", hint: "change --threads")
        }
        try requireRange("--gflops", rates.productRate * 1e-9, from: 0.01, upTo: 1e5, "GFLOP/s a core")
        try requireRange("--fraction", rates.productFraction, from: 0.01, upTo: 1.5, "of the product bound")
        try requireRange("--link", linkBandwidth * 8e-9, from: 0.001, upTo: 1e5, "Gbit/s")
        try requireRange("--latency", linkLatency * 1e6, from: 0, upTo: 1e6, "microseconds")
        try requireRange("--node-bandwidth", nodeBandwidth * 1e-9, from: 0.01, upTo: 1e4, "GB/s")
        try requireRange("--memory-bandwidth", memoryBandwidth * 1e-9, from: 0.01, upTo: 1e4, "GB/s")
    }

    private func requirePowerOfTwo(_ option: String, _ value: Int, upTo largest: Int) throws {
        guard value > 0, value <= largest, value & (value - 1) == 0 else {
            throw Failure(
                "\(option) \(value) is no power of two from 1 to \(largest)",
                hint: "gradients are summed in a tree of 1, 2, 4, ... ranks; --threads takes the other cores")
        }
    }

    private func requireRange(
        _ option: String, _ value: Double, from least: Double, upTo largest: Double, _ unit: String
    ) throws {
        // Tolerates the rounding of unit conversions.
        guard value.isFinite, value >= least * (1 - 1e-9), value <= largest * (1 + 1e-9) else {
            throw Failure(
                String(format: "%@ %g is outside %g to %g %@", option, value, least, largest, unit),
                hint: "check the value and its unit")
        }
    }
}

/// The speed of a core, given or from the output of `crate bench --json`.
package struct MeasuredRates: Equatable, Sendable {
    /// Operations per second and core of matrix products alone.
    package let productRate: Double
    /// The fraction of `productRate` reached by forward and backward passes, including data loading. AdamW and the sum
    /// over the ranks are planned separately.
    package let productFraction: Double

    /// The rate reached by passes.
    package var reached: Double { productRate * productFraction }

    /// The smallest fraction in the fp32 rows of BENCHMARKS.md.
    package static let defaultProductFraction = 0.82

    package init(productRate: Double, productFraction: Double = Self.defaultProductFraction) {
        self.productRate = productRate
        self.productFraction = productFraction
    }

    /// Reads the file at `path`. Throws `Failure` if it cannot be read or was not measured with `model` and `visible` patches of an image in `precision`.
    package init(
        benchmark path: String, model configuration: ModelConfiguration, visible: Int, precision: Precision
    ) throws {
        let model = try Model(configuration)
        let result = try Self.read(path)
        let counts = try model.operations(visible: visible)
        let own = counts.nominal * 1e-9
        guard abs(result.gflopPerImage / own - 1) < 1e-6, result.precision == precision else {
            throw Failure(
                String(
                    format: "%@ was measured with %.4g GFLOP an image in %@, this run has %.4g in %@", path,
                    result.gflopPerImage, result.precision.rawValue, own, precision.rawValue),
                hint: "run crate bench --json with the model options and the --precision of this run")
        }
        func seconds(_ part: StepPart) -> Double { result.seconds["\(part)"] ?? .nan }
        let passSeconds = result.stepSeconds - seconds(.reduction) - seconds(.optimizer)
        let sizes = [result.ranks, result.threads, result.batchSize, result.microBatch]
        guard sizes.allSatisfy({ (1...1 << 30).contains($0) }), passSeconds > 0, result.productGflops > 0 else {
            throw Self.isNone(path)
        }
        let operations = StepOperations(
            model, counts, images: result.batchSize / result.ranks, microBatch: result.microBatch, virtualRanks: 1,
            threads: result.threads)
        productRate = result.productGflops * 1e9 / Double(result.ranks) / Double(result.threads)
        productFraction =
            (operations.passes + operations.weights) / passSeconds / productRate / Double(result.threads)
    }

    private static func read(_ path: String) throws -> BenchmarkResult {
        let data = Data(try RegularFile.contents(of: path, limit: 1 << 20))
        let decoder = JSONDecoder()
        decoder.keyDecodingStrategy = .convertFromSnakeCase
        guard let result = try? decoder.decode(BenchmarkResult.self, from: data) else { throw isNone(path) }
        return result
    }

    private static func isNone(_ path: String) -> Failure {
        Failure("\(path) was not written by crate bench --json", hint: "write it with crate bench --json > \(path)")
    }
}
