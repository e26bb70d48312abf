import Base
import Foundation

/// Divides a directory of shards into one for training and one for validation, class by class. Samples are copied as they are.
package struct ShardSplit: Sendable {
    /// A row of the report.
    package struct ClassCount: Equatable, Sendable {
        /// Nil for samples without a class.
        package let name: String?
        package let training: Int
        package let validation: Int
    }

    /// By class; classes without samples are not among them.
    package let counts: [ClassCount]
    private let directory: String
    private let index: ShardIndex
    private let isValidation: [Bool]

    /// Decides for each sample of the shards in `directory`: `fraction` (in 0...1) of the samples of each class are for validation. What is
    /// drawn is a function of the samples' keys and `seed`. Samples of which `group` gives the same part of the key stay together: its
    /// first capture, or without one the whole match.
    ///
    /// Throws `Failure` if a shard cannot be read, `group` does not match a key, or a class of several samples cannot be on both sides.
    package init(directory: String, fraction: Double, seed: UInt64, group: Regex<AnyRegexOutput>? = nil) throws {
        let index = try ShardIndex.load(directory: directory)
        // Of Unicode's characters as they are written: names are compared byte by byte.
        let pattern = group?.matchingSemantics(.unicodeScalar)
        var (labels, groups): ([Int], [ExactName]) = ([], [])
        try index.forEachSample(in: directory) { reader, row, key in
            labels.append(reader.label(sample: row))
            groups.append(try pattern.map { try Self.group(of: key, $0) } ?? ExactName(key))
        }
        let division = Stratification(
            labels: labels, groups: groups, classCount: index.classes.count, fraction: fraction, seed: seed)
        counts = zip(division.totals, division.validation).enumerated().compactMap { number, count in
            guard count.0 > 0 else { return nil }
            let name = number < index.classes.count ? index.classes[number] : nil
            return ClassCount(name: name, training: count.0 - count.1, validation: count.1)
        }
        self.directory = directory
        self.index = index
        isValidation = division.isValidation
        try requireBothSides(isGrouped: group != nil)
    }

    private static func group(of key: String, _ pattern: Regex<AnyRegexOutput>) throws -> ExactName {
        let match = try? pattern.firstMatch(in: key)
        let output = match?.output
        guard let output, let part = output.count > 1 ? output[1].substring : output[0].substring else {
            throw Failure(
                "--group does not match the key \(key.printable(limit: 200))",
                hint: "write a pattern that matches all keys, such as '^([^_]*)_'")
        }
        return ExactName(String(part))
    }

    private func requireBothSides(isGrouped: Bool) throws {
        for count in counts where min(count.training, count.validation) == 0 && count.training + count.validation > 1 {
            let name = count.name.map { "the class \($0.printable(limit: 80))" } ?? "what has no class"
            throw Failure(
                "no split has \(name) on both sides: its \(count.training + count.validation) samples "
                    + (isGrouped ? "are in groups that are too large" : "have one key"),
                hint: isGrouped ? "choose a --group of smaller groups, or leave the class out" : "leave the class out")
        }
        guard counts.contains(where: { $0.validation > 0 }) else {
            throw Failure("\(directory) has no class of two samples", hint: "there is nothing to split")
        }
    }

    /// Writes both parts; their indexes come last. `progress` is called repeatedly with the number of samples that are written.
    ///
    /// Throws `Failure` if a sample is damaged or something cannot be written; then nothing is left.
    package func write(
        training: String, validation: String, progress: (Int) -> Void = { _ in }
    ) throws -> (training: ShardIndex, validation: ShardIndex) {
        guard !isSamePlace(training, validation) else {
            throw Failure("\(training) is given for both parts", hint: "name two directories")
        }
        var first = try ShardCopy(to: training, outside: [directory], like: index)
        var second = try ShardCopy(to: validation, outside: [directory, training], like: index)
        var sample = 0
        try index.forEachSample(in: directory) { reader, row, key in
            let (bytes, label) = (try reader.bytes(of: row), reader.label(sample: row))
            if isValidation[sample] {
                try second.append(bytes, label: label, key: key)
            } else {
                try first.append(bytes, label: label, key: key)
            }
            sample += 1
            progress(sample)
        }
        try first.finishShard()
        try second.finishShard()
        // JPEG files would have to be decoded for statistics of their own.
        let parts = (
            try first.conclude(classes: index.classes, mean: index.mean, std: index.std),
            try second.conclude(classes: index.classes, mean: index.mean, std: index.std)
        )
        first.keep()
        second.keep()
        return (training: parts.0, validation: parts.1)
    }

    package var sampleCount: Int { index.total }
    /// Whether the parts have statistics of their own pixels, and not those of the whole.
    package var hasOwnStatistics: Bool { index.encoding == .patches }
}

/// Whether two paths are the same, or lead to the same file or directory.
func isSamePlace(_ one: String, _ other: String) -> Bool {
    func place(_ path: String) -> String? {
        guard let resolved = realpath(path.isEmpty ? "." : path, nil) else { return nil }
        defer { free(resolved) }
        return String(cString: resolved)
    }
    return one == other || (place(one).map { $0 == place(other) } ?? false)
}
