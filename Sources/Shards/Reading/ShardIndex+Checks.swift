import Base
import Foundation
import Kernels

extension ShardIndex {
    /// Throws `Failure` if the index, read from `path`, is inconsistent.
    func checkContents(path: String) throws {
        func requireThat(_ condition: Bool, _ problem: String) throws {
            guard condition else { throw Failure("\(path): \(problem)", hint: indexHint) }
        }
        let sampleBytes, channels: Int
        do {
            channels = try storedFormat().channels
        } catch let failure as Failure {
            throw Failure("\(path): \(failure.problem)", hint: indexHint)
        }
        switch encoding {
        case .patches:
            do {
                sampleBytes = try grid().byteCount
            } catch let failure as Failure {
                throw Failure("\(path): \(failure.problem)", hint: indexHint)
            }
        case .jpeg:
            try requireThat((0...PatchLimits.imageSize).contains(imageSize), "an image size of \(imageSize)")
            // Bytes of a sample in addition to its JPEG file: offset, label, reference to its key, checksum.
            sampleBytes = 36
        }
        try requireThat(
            mean.count == channels && std.count == channels, "mean and std must have a value for each channel")
        try requireThat((mean + std).allSatisfy { (0...1).contains($0) }, "mean and std must be in 0...1")
        try requireThat(Set(classes.map { ExactName($0) }).count == classes.count, "two classes have the same name")

        var (sum, bytes) = (0, 0)
        for shard in shards {
            // Every sample takes bytes of the file, so memory that is sized by the count is bounded by the file.
            try requireThat(
                shard.count > 0 && shard.bytes > 0 && shard.count <= shard.bytes / sampleBytes,
                "\(shard.file) cannot hold \(shard.count) samples in \(shard.bytes) bytes")
            // Samples are fewer than bytes, so their sum does not overflow either.
            bytes += shard.bytes
            try requireThat(bytes <= Count.limit, "the shards have too many bytes")
            sum += shard.count
        }
        try requireThat(
            Set(shards.map { ExactName($0.file) }).count == shards.count, "two shards have the same file")
        try requireThat(
            recipe.map { sum <= $0.source.images } ?? true, "there are more samples than the source had images")
        try requireThat(total == sum, "the total \(total) is not the sum of the shards' samples, \(sum)")
    }
}

extension ShardIndex.Shard {
    func path(in directory: String) -> String { directory.appending(name: file) }

    /// Throws `Failure` unless the shard's file is in `directory` with its full size.
    func checkFile(directory: String) throws {
        let path = path(in: directory)
        var status = stat()
        guard stat(path, &status) == 0 else { throw Failure("\(path) is missing", hint: restoreHint) }
        guard status.st_mode & S_IFMT == S_IFREG else {
            throw Failure("\(path) is not a regular file", hint: restoreHint)
        }
        guard Int(status.st_size) == bytes else {
            throw Failure("\(path) has \(status.st_size) bytes and should have \(bytes)", hint: restoreHint)
        }
    }
}

/// The checksum of `index.json` in the file itself, to detect a flipped bit in a number: CRC-32 of the file without that line.
enum IndexChecksum {
    private static let start = Data("\n  \"indexChecksum\" : ".utf8)

    /// `text`, a multi-line JSON object, with the field inserted first.
    static func added(to text: Data) -> Data {
        guard text.first == UInt8(ascii: "{") else { return text }
        let value = text.withUnsafeBytes { Checksum(of: $0).value }
        return text.prefix(1) + start + Data("\(value),".utf8) + text.dropFirst()
    }

    /// Throws `Failure` if the file `path` with the contents `text` has a checksum that does not match.
    static func check(_ text: Data, path: String) throws {
        guard let field = text.range(of: start) else { return }
        let digits = text[field.upperBound...].prefix { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }
        let end = digits.endIndex
        let others = text[..<field.lowerBound] + text[min(end + 1, text.endIndex)...]
        guard end < text.endIndex, text[end] == UInt8(ascii: ","),
            UInt32(String(decoding: digits, as: UTF8.self)) == others.withUnsafeBytes({ Checksum(of: $0).value })
        else { throw Failure("\(path) is damaged: wrong checksum", hint: indexHint) }
    }
}
