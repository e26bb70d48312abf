import Base
import Foundation
import Images

/// Puts several directories of shards together. Classes of the same name become one; samples are copied as they are.
package struct ShardMerge: Sendable {
    /// Samples whose key an earlier one has.
    package struct Repeats: Sendable {
        package internal(set) var count = 0
        /// Of these, with the same bytes as the one before.
        package internal(set) var equalCount = 0
        /// The first such key.
        package internal(set) var example: String?
    }

    /// Those of the first directory in its order, then those that only the second has, and so on.
    package let classes: [String]
    /// Classes whose names differ only in their Unicode form. They are kept apart.
    package let unicodeTwins: UnicodeTwins
    private let inputs: [(path: String, index: ShardIndex)]

    package var sampleCount: Int { inputs.reduce(0) { $0 + $1.index.total } }

    /// Throws `Failure` if there are less than two directories, one is given twice or cannot be read, or their samples are of different kinds.
    package init(_ paths: [String]) throws {
        guard let first = paths.first, paths.count > 1 else {
            throw Failure("there is nothing to merge", hint: "name two directories of shards or more")
        }
        for (number, path) in paths.enumerated() where paths[..<number].contains(where: { isSamePlace($0, path) }) {
            throw Failure("\(path) is given twice", hint: "name each directory once")
        }
        inputs = try paths.map { ($0, try ShardIndex.load(directory: $0)) }
        let form = inputs[0].index.storedForm
        if let other = inputs.first(where: { $0.index.storedForm != form }) {
            throw Failure(
                "\(first) holds \(form), and \(other.path) \(other.index.storedForm)",
                hint: "shard one of the sources again with the options of the other")
        }
        var (names, seen): ([String], Set<ExactName>) = ([], [])
        for name in inputs.flatMap(\.index.classes) where seen.insert(ExactName(name)).inserted { names.append(name) }
        classes = names
        var twins = UnicodeTwins()
        twins.add(names.map { ExactName($0) })
        unicodeTwins = twins
    }

    /// Writes the union to `output`; its index comes last. `progress` is called repeatedly with the number of samples that are written.
    ///
    /// Throws `Failure` if a sample is damaged or something cannot be written; then nothing is left.
    package func write(
        to output: String, progress: (Int) -> Void = { _ in }
    ) throws -> (index: ShardIndex, repeats: Repeats) {
        var copy = try ShardCopy(to: output, outside: inputs.map(\.path), like: inputs[0].index)
        let labels = Dictionary(uniqueKeysWithValues: classes.enumerated().map { (ExactName($1), $0) })
        var (repeats, seen): (Repeats, [ExactName: UInt32]) = (Repeats(), [:])
        var pooled = PooledStatistics()
        var count = 0
        for (path, index) in inputs {
            let merged = index.classes.map { labels[ExactName($0)] ?? -1 }
            var pixels = 0
            try index.forEachSample(in: path) { reader, row, key in
                let (bytes, label) = (try reader.bytes(of: row), reader.label(sample: row))
                pixels += try index.imageSize > 0 ? 1 : Self.pixelCount(bytes, of: key, in: path)
                if let earlier = seen.updateValue(Checksum(of: bytes).value, forKey: ExactName(key)) {
                    repeats.count += 1
                    repeats.equalCount += earlier == Checksum(of: bytes).value ? 1 : 0
                    repeats.example = repeats.example ?? key
                }
                try copy.append(bytes, label: label < 0 ? -1 : merged[label], key: key)
                count += 1
                progress(count)
            }
            pooled.add(mean: index.mean, std: index.std, weight: Double(pixels))
        }
        let written = try copy.conclude(classes: classes, mean: pooled.mean, std: pooled.deviation)
        copy.keep()
        return (written, repeats)
    }

    private static func pixelCount(_ bytes: [UInt8], of key: String, in path: String) throws -> Int {
        guard let facts = try? ImageFacts(of: HeaderBytes(bytes)) else {
            throw Failure("\(key.printable) in \(path) is no image", hint: "shard the source again")
        }
        return facts.width * facts.height
    }
}

/// Mean and deviation of several sets of pixels together, from those of each.
struct PooledStatistics {
    private var weight = 0.0
    /// Of each channel.
    private var sums: [Double] = []
    private var squares: [Double] = []

    /// Adds a set of pixels, of which there are `weight` in the same unit for all sets.
    mutating func add(mean: [Double], std: [Double], weight: Double) {
        if sums.isEmpty { (sums, squares) = (mean.map { _ in 0 }, mean.map { _ in 0 }) }
        self.weight += weight
        for channel in sums.indices {
            sums[channel] += weight * mean[channel]
            squares[channel] += weight * (mean[channel] * mean[channel] + std[channel] * std[channel])
        }
    }

    var mean: [Double] { sums.map { weight > 0 ? $0 / weight : 0 } }

    var deviation: [Double] {
        zip(mean, squares).map { mean, square in
            weight > 0 ? max(0, square / weight - mean * mean).squareRoot() : 0
        }
    }
}
