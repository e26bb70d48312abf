import Base
import Foundation

/// Writes samples to tar archives as WebDataset reads them: `00000012.png`, `.cls` and `.json`.
///
/// The names are numbers, since WebDataset takes what follows the first dot of a name as its suffix, and a key may be of any form. The key
/// is in the `.json`.
struct SampleArchives: ~Copyable {
    private let path: String
    private let classes: [String]
    private let limit: Int
    private var writer: TarWriter?
    private var archiveCount = 0

    /// Writes archives of up to `limit` bytes, or of one sample that has more, to the directory `path`.
    init(_ path: String, classes: [String], limit: Int) {
        self.path = path
        self.classes = classes
        self.limit = limit
    }

    /// Throws `Failure` if the sample cannot be written.
    mutating func add(_ sample: ShardExport.EncodedSample) throws {
        let stem = zeroPadded(sample.number, to: 8)
        var files = [("\(stem).\(sample.suffix)", sample.image)]
        if sample.label >= 0 { files.append(("\(stem).cls", Array("\(sample.label)".utf8))) }
        files.append(("\(stem).json", try json(of: sample)))
        let bytes = files.reduce(0) { $0 + TarWriter.bytes(of: $1.1.count) }
        if let used = writer?.byteCount, used > 0, used + bytes > limit { try finishArchive() }
        if writer == nil {
            writer = try TarWriter(path.appending(name: "samples-\(zeroPadded(archiveCount, to: 6)).tar"))
            archiveCount += 1
        }
        for (name, contents) in files { try writer?.add(name, contents) }
    }

    /// Completes the last archive and returns how many there are. Throws `Failure` if it cannot be written.
    mutating func finish() throws -> Int {
        try finishArchive()
        return archiveCount
    }

    private mutating func finishArchive() throws {
        guard let complete = writer.take() else { return }
        try complete.finish()
    }

    private func json(of sample: ShardExport.EncodedSample) throws -> [UInt8] {
        struct Description: Encodable {
            let key: String
            let label: Int?
            let `class`: String?
        }
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        let label = sample.label >= 0 ? sample.label : nil
        return [UInt8](
            try encoder.encode(Description(key: sample.key, label: label, class: label.map { classes[$0] })))
    }
}
