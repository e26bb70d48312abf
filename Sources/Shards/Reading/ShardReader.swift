import Base
import Foundation
import HDF5

/// An open shard file. A class because a cache of open files hands it out and closes it.
///
/// Where everything is, is read once, after the checksum of that part has been verified. For one thread at a time.
package final class ShardReader {
    package let path: String
    /// Number of samples.
    package let count: Int
    private let labels: [Int32]
    private let checksums: [UInt32]
    private let layout: SampleLayout
    private var contents: HDF5File

    /// Opens shard `shard` of `directory` and checks it against `index`.
    ///
    /// Throws `Failure` naming the file if it cannot be opened, is corrupt outside of its samples, or lacks a dataset of the right shape
    /// and type.
    package init(directory: String, shard: Int, index: ShardIndex) throws {
        let entry = index.shards[shard]
        let path = entry.path(in: directory)
        self.path = path
        count = entry.count
        let file = try RegularFile.openShard(path, bytes: entry.bytes)
        if let structure = entry.structure {
            try structure.check(file, bytes: entry.bytes)
        } else if try file.checksum(of: [0..<entry.bytes]) != entry.checksum {
            throw Failure("\(path) is damaged: wrong checksum", hint: restoreHint)
        }
        var contents = try HDF5File(file, hint: restoreHint)
        let labels: [Int64] = try contents.values("labels", .int64, count: entry.count)
        guard labels.allSatisfy({ $0 >= -1 && $0 < index.classes.count }) else {
            throw Failure("\(path): a label is not among the \(index.classes.count) classes", hint: restoreHint)
        }
        self.labels = labels.map { Int32($0) }
        checksums = try contents.values("checksums", .uint32, count: entry.count)
        layout = try SampleLayout(
            &contents, count: entry.count, grid: index.encoding == .patches ? index.grid() : nil)
        self.contents = contents
    }

    /// How often the file was read for what is not a sample.
    package var structureReads: Int { contents.readCount }

    /// The class of a sample, -1 for none. The sample must exist.
    package func label(sample: Int) -> Int { Int(labels[sample]) }

    /// Bytes of a sample, which must exist.
    package func byteCount(sample: Int) -> Int { layout.byteCount(sample) }

    /// Reads a sample into `target`: its patches (L, p * p * 3), or its JPEG file.
    ///
    /// Throws `Failure` naming file and sample if it does not exist, cannot be read, or does not have its recorded checksum.
    package func read(sample: Int, into target: UnsafeMutablePointer<UInt8>) throws {
        try requireSample(sample)
        try layout.forEachPiece(of: sample) { place, offset, count in
            try contents.file.read(count, at: place, into: target + offset)
        }
        let bytes = UnsafeRawBufferPointer(start: target, count: layout.byteCount(sample))
        guard Checksum(of: bytes).value == checksums[sample] else {
            throw Failure("sample \(sample) of \(path) is damaged: wrong checksum", hint: restoreHint)
        }
    }

    /// The patches (L, p * p * 3) or the JPEG file of a sample. Throws `Failure` as `read` does.
    package func bytes(of sample: Int) throws -> [UInt8] {
        try requireSample(sample)
        let count = layout.byteCount(sample)
        return try [UInt8](unsafeUninitializedCapacity: count) { bytes, initialised in
            try read(sample: sample, into: bytes.baseAddress!)
            initialised = count
        }
    }

    /// The source file of a sample, relative to the source. Throws `Failure` if the sample does not exist or its key cannot be read.
    package func key(sample: Int) throws -> String {
        try requireSample(sample)
        return try keys(in: sample..<sample + 1)[0]
    }

    /// The keys of all samples. Throws `Failure` if they cannot be read.
    func keys() throws -> [String] { try keys(in: 0..<count) }

    private func keys(in samples: Range<Int>) throws -> [String] {
        try contents.texts("keys", in: samples, count: count)
    }

    private func requireSample(_ sample: Int) throws {
        guard sample >= 0, sample < count else {
            throw Failure("\(path) has no sample \(sample), only \(count)", hint: "ask for one that is there")
        }
    }
}
