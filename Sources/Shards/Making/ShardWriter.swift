import Base
import CHDF5
import Foundation
import HDF5
import Images

/// Writes one shard file under a temporary name until `finish`; removed if that is never reached.
struct ShardWriter: ~Copyable {
    private let path: String
    /// Nil for JPEG.
    private let grid: PatchGrid?
    private let capacity: Int
    private var file: HDF5Handle
    /// `/patches` or `/bytes`.
    private var samples: HDF5Handle
    private var labels: [Int64] = []
    private var keys: [String] = []
    private var checksums: [UInt32] = []
    /// Start of each JPEG file, and the end of the last.
    private var offsets: [Int64] = [0]
    /// JPEG bytes that do not fill a chunk yet.
    private var pending: [UInt8] = []
    private var isFinished = false

    /// Starts the shard `path` for at most `capacity` samples, patches of `grid` or, without one, JPEG files.
    ///
    /// Throws `Failure` if the file cannot be created.
    init(path: String, grid: PatchGrid?, capacity: Int) throws {
        crate_h5_prepare()
        let failure = Failure("cannot create \(path)", hint: "check the directory and the free space")
        let access = try makeUnlockedAccess(orThrow: failure)
        let file = try HDF5Handle(
            H5Fcreate(DurableFile.partialPath(of: path), crate_h5_truncate(), crate_h5_default(), access.id),
            closedBy: H5Fclose, orThrow: failure)
        let samples: HDF5Handle
        do {
            samples =
                if let grid {
                    try makePatches(file: file.id, grid: grid, capacity: capacity, orThrow: failure)
                } else {
                    try makeBytes(file: file.id, orThrow: failure)
                }
        } catch {
            unlink(DurableFile.partialPath(of: path))
            throw error
        }
        self.path = path
        self.grid = grid
        self.capacity = capacity
        self.file = file
        self.samples = samples
    }

    deinit {
        if !isFinished { unlink(DurableFile.partialPath(of: path)) }
    }

    var count: Int { labels.count }
    var isFull: Bool { count == capacity }

    /// Appends a sample: patches (L, p * p * 3) or a JPEG file with its CRC-32, its label (-1 for none), and its key.
    ///
    /// Throws `Failure` if the shard is full or cannot be written.
    mutating func append(_ sample: [UInt8], checksum: UInt32, label: Int, key: String) throws {
        guard !isFull else { throw Failure("\(path) is full", hint: "start another shard") }
        crate_h5_prepare()
        if let grid {
            precondition(sample.count == grid.valueCount)
            try writeChunk(sample, at: [hsize_t(count), 0, 0])
        } else {
            try stream(sample)
        }
        labels.append(Int64(label))
        keys.append(key)
        checksums.append(checksum)
    }

    /// Completes and renames the file, and returns its index entry.
    ///
    /// Throws `Failure` and removes the file if that fails, or if it differs from `expected`.
    consuming func finish(expecting expected: ShardIndex.Shard? = nil) throws -> ShardIndex.Shard {
        crate_h5_prepare()
        let failure = writeFailure
        if let grid {
            try check(
                H5Dset_extent(samples.id, [count, grid.patchCount, grid.valuesPerPatch].map { hsize_t($0) }),
                orThrow: failure)
        } else {
            if !pending.isEmpty { try writePiece(pending.count) }
            try writeDataset("offsets", crate_h5_int64(), offsets)
        }
        try samples.close(orThrow: failure)
        try writeDataset("labels", crate_h5_int64(), labels)
        try writeDataset("checksums", crate_h5_uint32(), checksums)
        try writeKeys()
        try file.close(orThrow: failure)

        let partial = DurableFile.partialPath(of: path)
        let (bytes, checksum) = try Checksum.ofFile(partial)
        let structure = try ShardStructure(ofShard: partial, count: count, bytes: bytes, grid: grid)
        let entry = ShardIndex.Shard(
            file: (path as NSString).lastPathComponent, count: count, bytes: bytes, checksum: checksum,
            structure: structure)
        guard expected == nil || entry == expected else {
            throw Failure(
                "\(path) made again is another file than it was",
                hint: "the source or the libraries that decode it have changed: shard it to a new directory")
        }
        try DurableFile.commit(partialOf: path)
        isFinished = true
        return entry
    }

    private var writeFailure: Failure {
        Failure("cannot write \(path)", hint: "free some space on the disk or choose another directory")
    }
}

extension ShardWriter {
    private func writeChunk(_ bytes: [UInt8], at offset: [hsize_t]) throws {
        try check(
            H5Dwrite_chunk(samples.id, crate_h5_default(), 0, offset, bytes.count, bytes), orThrow: writeFailure)
    }

    private mutating func stream(_ bytes: [UInt8]) throws {
        pending += bytes
        offsets.append((offsets.last ?? 0) + Int64(bytes.count))
        while pending.count >= bytesPerChunk { try writePiece(bytesPerChunk) }
    }

    /// Writes the first `count` pending bytes as the next chunk, padded with zeros.
    private mutating func writePiece(_ count: Int) throws {
        let start = Int(offsets.last ?? 0) - pending.count
        try check(H5Dset_extent(samples.id, [hsize_t(start + count)]), orThrow: writeFailure)
        let padding = [UInt8](repeating: 0, count: bytesPerChunk - count)
        try writeChunk(pending.prefix(count) + padding, at: [hsize_t(start)])
        pending.removeFirst(count)
    }

    private func writeDataset<Value: BitwiseCopyable>(_ name: String, _ type: hid_t, _ values: [Value]) throws {
        try HDF5.writeDataset(name, type, values, of: file.id, orThrow: writeFailure)
    }

    private func writeKeys() throws {
        let type = try makeStringType(orThrow: writeFailure)
        let strings = keys.map { strdup($0) }
        defer { for string in strings { free(string) } }
        try writeDataset("keys", type.id, strings)
    }
}
