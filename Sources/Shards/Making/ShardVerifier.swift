import Base
import Foundation

/// Finds all faults of a directory of shards, and makes corrupt shards again.
package struct ShardVerifier: Sendable {
    package struct Problem: CustomStringConvertible, Sendable {
        /// Position of the affected shard in the index; nil if none.
        package let shard: Int?
        package let description: String
    }

    package let path: String
    package let index: ShardIndex
    private let jobs: Int

    /// Corrupt samples per shard that are listed individually.
    private static let namedSamples = 8

    /// Throws `Failure` if the index is missing or inconsistent: then nothing can be said about the shards.
    package init(path: String, jobs: Int = ProcessInfo.processInfo.activeProcessorCount) throws {
        self.path = path
        self.jobs = max(1, jobs)
        index = try ShardIndex.read(directory: path)
    }

    /// All faults: sizes and checksums of files, their structure, labels, keys, each sample's checksum, files that are not in the index,
    /// and numbers in the index that disagree with the shards.
    ///
    /// `progress` is called repeatedly with the number of completed shards.
    package func problems(progress: (Int) -> Void = { _ in }) -> [Problem] {
        var problems: [Problem] = []
        var statistics = PixelStatistics()
        for first in stride(from: 0, to: index.shards.count, by: jobs) {
            let shards = Array(first..<min(first + jobs, index.shards.count))
            for found in concurrentMap(shards, jobs: jobs, { check($0) }) {
                problems += found.problems
                statistics.add(found.statistics)
            }
            progress(shards.last.map { $0 + 1 } ?? 0)
        }
        // The sums say something only if all shards are sound.
        let others = (problems.isEmpty ? checkStatistics(statistics) : []) + checkSkipped() + checkFiles()
        return problems + others.map { Problem(shard: nil, description: $0) }
    }

    /// Makes the shards of `problems` again from `source`, byte for byte.
    ///
    /// Returns their file names. Throws `Failure` if the source differs, or a shard does not match the index; that shard is then unchanged.
    package func repair(
        _ problems: [Problem], from source: ShardSource, progress: (ShardingProgress) -> Void = { _ in }
    ) throws -> [String] {
        guard let recipe = index.recipe else {
            throw Failure(
                "\(path) does not say how it was made: by an old version, or from other shards",
                hint: "make it again by the command that made it")
        }
        let plan = try ShardPlan(source: source, recipe: recipe)
        let numbers = Dictionary(
            uniqueKeysWithValues: (0..<plan.shardCount).map { (ExactName(ShardPlan.fileName(of: $0)), $0) })
        var expected: [Int: ShardIndex.Shard] = [:]
        for shard in Set(problems.compactMap(\.shard)) {
            let entry = index.shards[shard]
            guard let number = numbers[ExactName(entry.file)] else {
                throw Failure("\(path): \(entry.file) is none of the source's shards", hint: "shard the source again")
            }
            expected[number] = entry
        }
        try ShardPipeline(
            plan, shards: expected.keys.sorted(), directory: path, jobs: jobs, memory: MemoryBudget(),
            expected: expected
        ) {
            _, _ in
        }
        .run(report: progress)
        return expected.values.map(\.file).sorted()
    }
}

extension ShardVerifier {
    private func check(_ shard: Int) -> (problems: [Problem], statistics: PixelStatistics) {
        let entry = index.shards[shard]
        let file = entry.path(in: path)
        var found: [String] = []
        var statistics = PixelStatistics()
        do {
            let (bytes, checksum) = try Checksum.ofFile(file)
            guard bytes == entry.bytes else {
                throw Failure("\(file) has \(bytes) bytes and should have \(entry.bytes)", hint: restoreHint)
            }
            if checksum != entry.checksum {
                found.append("\(file) has the checksum \(checksum) and should have \(entry.checksum)")
            }
            let reader = try ShardReader(directory: path, shard: shard, index: index)
            found += checkSamples(of: reader, keys: try reader.keys(), statistics: &statistics)
        } catch {
            found.append(Failure(from: error).problem)
        }
        return (found.map { Problem(shard: shard, description: $0) }, statistics)
    }

    private func checkSamples(of reader: ShardReader, keys: [String], statistics: inout PixelStatistics) -> [String] {
        var found: [String] = []
        for sample in 0..<reader.count {
            do {
                let bytes = try reader.bytes(of: sample)
                if index.encoding == .patches {
                    statistics.add(PixelStatistics(bytes, format: index.pixelFormat))
                }
                let key = keys[sample]
                let label = reader.label(sample: sample)
                if label >= 0 && !key.utf8.starts(with: (index.classes[label] + "/").utf8) {
                    found.append(
                        "sample \(sample) of \(reader.path) is \(key.printable), but its label says \(index.classes[label].printable)"
                    )
                }
            } catch {
                found.append(Failure(from: error).problem)
            }
        }
        let limit = ShardVerifier.namedSamples
        return found.count <= limit
            ? found
            : found.prefix(limit) + ["\(found.count - limit) more samples of \(reader.path) are damaged"]
    }

    private func checkStatistics(_ statistics: PixelStatistics) -> [String] {
        let format = index.pixelFormat
        let agree = zip(index.mean + index.std, statistics.mean(format) + statistics.deviation(format)).allSatisfy {
            abs($0 - $1) < 1e-9
        }
        return agree || index.encoding != .patches ? [] : ["\(path)/index.json: mean and std are not the pixels' own"]
    }

    private func checkSkipped() -> [String] {
        guard let images = index.recipe?.source.images else { return [] }
        let list = "\(path)/\(Sharding.skippedFileName)"
        let text: [UInt8]
        do {
            text = access(list, F_OK) == 0 ? try RegularFile.contents(of: list) : []
        } catch {
            return [Failure(from: error).problem]
        }
        let listed = text.count { $0 == UInt8(ascii: "\n") }
        let missing = images - index.total
        guard listed != missing else { return [] }
        return ["\(list) lists \(listed) images, but \(missing) are left out"]
    }

    private func checkFiles() -> [String] {
        let known = Set(index.shards.map { ExactName($0.file) })
        let names = (try? FileManager.default.contentsOfDirectory(atPath: path)) ?? []
        return names.sorted().filter { $0.hasSuffix(".h5") && !known.contains(ExactName($0)) }
            .map { "\(path)/\($0) is not in index.json" }
    }
}
