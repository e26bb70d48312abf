import Base
import CrateModel
import Foundation
import Kernels

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

    /// Reads the file at `path`. Throws `Failure` if it cannot be read or was not measured with `model` in `precision`.
    package init(benchmark path: String, model configuration: ModelConfiguration, precision: Precision) throws {
        let model = try Model(configuration)
        let result = try Self.read(path)
        let own = model.operationsPerImage * 1e-9
        guard abs(result.gflopPerImage / own - 1) < 1e-6, result.precision == precision else {
            throw Failure(
                String(
                    format: "%@ was measured with %.4g GFLOP an image in %@, this run has %.4g in %@", path,
                    result.gflopPerImage, result.precision.rawValue, own, precision.rawValue),
                hint: "run crate bench --json with the model options and the --precision of this run")
        }
        func seconds(_ part: StepPart) -> Double { result.seconds["\(part)"] ?? .nan }
        let passSeconds = result.stepSeconds - seconds(.reduction) - seconds(.optimizer)
        let counts = [result.ranks, result.threads, result.batchSize, result.microBatch]
        guard counts.allSatisfy({ (1...1 << 30).contains($0) }), passSeconds > 0, result.productGflops > 0 else {
            throw Self.isNone(path)
        }
        let operations = StepOperations(
            model, images: result.batchSize / result.ranks, microBatch: result.microBatch, virtualRanks: 1,
            threads: result.threads)
        productRate = result.productGflops * 1e9 / Double(result.ranks) / Double(result.threads)
        productFraction =
            (operations.passes + operations.weights) / passSeconds / productRate / Double(result.threads)
    }

    private static func read(_ path: String) throws -> BenchmarkResult {
        guard let file = FileHandle(forReadingAtPath: path), let data = try? file.read(upToCount: 1 << 20) ?? Data()
        else {
            throw Failure("cannot read \(path)", hint: "write it with crate bench --json > \(path)")
        }
        let decoder = JSONDecoder()
        decoder.keyDecodingStrategy = .convertFromSnakeCase
        guard let result = try? decoder.decode(BenchmarkResult.self, from: data) else { throw isNone(path) }
        return result
    }

    private static func isNone(_ path: String) -> Failure {
        Failure("\(path) was not written by crate bench --json", hint: "write it with crate bench --json > \(path)")
    }
}
