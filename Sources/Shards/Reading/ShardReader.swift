import Base
import Foundation

/// An open shard file. A class, because a cache of open files hands it out and closes it.
///
/// libhdf5 is asked once where everything lies, after the checksum of all that it looks at; samples are then read from
/// the file directly. For one thread at a time.
package final class ShardReader {
    /// The shard file.
    package let path: String
    /// The number of samples.
    package let count: Int
    private let labels: [Int32]
    private let checksums: [UInt32]
    private let layout: SampleLayout
    private let file: ShardFile

    /// Opens shard `shard` of `directory` and checks that it is what `index` says.
    ///
    /// Throws `Failure` naming the file when it cannot be opened, is damaged outside of its samples, lacks a dataset or has
    /// other shapes or types.
    package init(directory: String, shard: Int, index: ShardIndex) throws {
        let entry = index.shards[shard]
        let path = (directory as NSString).appendingPathComponent(entry.file)
        let file = try ShardFile(path: path, bytes: entry.bytes)
        if let structure = entry.structure {
            try structure.check(file, bytes: entry.bytes)
        } else if try file.checksum(of: [0..<entry.bytes]) != entry.checksum {
            throw Failure("\(path) is damaged: wrong checksum", hint: restoreHint)
        }
        let tables = try ShardTables(path: path, entry: entry, index: index)
        self.path = path
        count = entry.count
        labels = tables.labels
        checksums = tables.checksums
        layout = tables.layout
        self.file = file
    }

    /// The class of sample `sample`, -1 where there is none. There must be such a sample.
    package func label(sample: Int) -> Int { Int(labels[sample]) }

    /// The bytes of sample `sample`. There must be such a sample.
    package func byteCount(sample: Int) -> Int { layout.byteCount(sample) }

    /// Reads sample `sample` of this shard to `target`: its patches (L, p * p * 3), or its JPEG file.
    ///
    /// Throws `Failure` naming the file and the sample when there is no such sample, it cannot be read, or its
    /// bytes do not have the recorded checksum.
    package func read(sample: Int, into target: UnsafeMutablePointer<UInt8>) throws {
        try demandSample(sample)
        try layout.forEachPiece(of: sample) { place, offset, count in
            try file.read(count, at: place, into: target + offset)
        }
        let bytes = UnsafeRawBufferPointer(start: target, count: layout.byteCount(sample))
        guard Checksum(of: bytes).value == checksums[sample] else {
            throw Failure("sample \(sample) of \(path) is damaged: wrong checksum", hint: restoreHint)
        }
    }

    /// The patches (L, p * p * 3) or the JPEG file of sample `sample`. Throws `Failure` as `read` does.
    package func bytes(of sample: Int) throws -> [UInt8] {
        try demandSample(sample)
        let count = layout.byteCount(sample)
        return try [UInt8](unsafeUninitializedCapacity: count) { bytes, initialised in
            try read(sample: sample, into: bytes.baseAddress!)
            initialised = count
        }
    }

    /// The path of the file, relative to the source, that sample `sample` was made of.
    ///
    /// Throws `Failure` when there is no such sample or the key cannot be read.
    package func key(sample: Int) throws -> String {
        try demandSample(sample)
        return try ShardTables.withContents(of: path) { try $0.string("keys", at: sample, count: count) }
    }

    /// The keys of all samples, as `key(sample:)` gives them one by one. Throws `Failure` when they cannot be read.
    package func keys() throws -> [String] {
        try ShardTables.withContents(of: path) { try $0.strings("keys", count: count) }
    }

    private func demandSample(_ sample: Int) throws {
        guard sample >= 0, sample < count else {
            throw Failure("\(path) has no sample \(sample), only \(count)", hint: "ask for one that is there")
        }
    }
}
