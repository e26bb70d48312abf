import Base
import Foundation
import Loader

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
