import Base
import Foundation
import HDF5
import Images

/// Writes one shard file under a temporary name until `finish`; removed if that is never reached.
struct ShardWriter: ~Copyable {
    /// Bytes of a chunk of `/bytes`: large enough for fast reads, small enough to waste little at the end.
    private static let bytesPerChunk = 1 << 20

    /// Nil for JPEG.
    private let grid: PatchGrid?
    private let capacity: Int
    private var file: NewHDF5File
    /// `/patches`, one chunk a sample, or `/bytes`, all JPEG files.
    private var samples: NewHDF5Dataset
    private var labels: [Int64] = []
    private var keys: [String] = []
    private var checksums: [UInt32] = []
    /// Start of each JPEG file, and the end of the last.
    private var offsets: [Int64] = [0]
    /// JPEG bytes that do not fill a chunk yet.
    private var pending: [UInt8] = []

    /// Starts the shard `path` for at most `capacity` samples, patches of `grid` or, without one, JPEG files.
    ///
    /// Throws `Failure` if the file cannot be created.
    init(path: String, grid: PatchGrid?, capacity: Int) throws {
        let file = try NewHDF5File(
            path, isLocked: false, hint: "free some space on the disk or choose another directory")
        let samples: NewHDF5Dataset
        if let grid {
            let sample = [grid.patchCount, grid.valuesPerPatch]
            samples = try file.makeDataset(
                "patches", grid.pixel.depth == 8 ? .uint8 : .uint16, [capacity] + sample, chunk: [1] + sample)
        } else {
            samples = try file.makeDataset(
                "bytes", .uint8, [0], isExtensible: true, chunk: [ShardWriter.bytesPerChunk])
        }
        self.grid = grid
        self.capacity = capacity
        self.file = file
        self.samples = samples
    }

    var count: Int { labels.count }

    /// Appends a sample: the bytes of patches (L, p * p * C) or a JPEG file with its CRC-32, its label (-1 for none), and its key.
    ///
    /// Throws `Failure` if the shard is full or cannot be written.
    mutating func append(_ sample: [UInt8], checksum: UInt32, label: Int, key: String) throws {
        guard count < capacity else { throw Failure("\(file.path) is full", hint: "start another shard") }
        if let grid {
            precondition(sample.count == grid.byteCount)
            try samples.writeChunk(sample, at: [count, 0, 0])
        } else {
            pending += sample
            offsets.append((offsets.last ?? 0) + Int64(sample.count))
            while pending.count >= ShardWriter.bytesPerChunk { try writePiece(ShardWriter.bytesPerChunk) }
        }
        labels.append(Int64(label))
        keys.append(key)
        checksums.append(checksum)
    }

    /// Completes and renames the file, and returns its index entry.
    ///
    /// Throws `Failure` and removes the file if that fails, or if it differs from `expected`.
    consuming func finish(expecting expected: ShardIndex.Shard? = nil) throws -> ShardIndex.Shard {
        if let grid {
            try samples.resize(to: [count, grid.patchCount, grid.valuesPerPatch])
        } else {
            if !pending.isEmpty { try writePiece(pending.count) }
            try file.writeDataset("offsets", .int64, offsets)
        }
        try samples.close()
        try file.writeDataset("labels", .int64, labels)
        try file.writeDataset("checksums", .uint32, checksums)
        try file.writeDataset("keys", keys)
        try file.close()

        let (bytes, checksum) = try Checksum.ofFile(file.partialPath)
        let structure = try ShardStructure(ofShard: file.partialPath, count: count, bytes: bytes, grid: grid)
        let entry = ShardIndex.Shard(
            file: file.path.lastName, count: count, bytes: bytes, checksum: checksum,
            structure: structure)
        guard expected == nil || entry == expected else {
            throw Failure(
                "\(file.path) made again is another file than it was",
                hint: "the source or the libraries that decode it have changed: shard it to a new directory")
        }
        try file.commit()
        return entry
    }
}

extension ShardWriter {
    /// Writes the first `count` pending bytes as the next chunk, padded with zeros.
    private mutating func writePiece(_ count: Int) throws {
        let start = Int(offsets.last ?? 0) - pending.count
        try samples.resize(to: [start + count])
        let padding = [UInt8](repeating: 0, count: ShardWriter.bytesPerChunk - count)
        try samples.writeChunk(pending.prefix(count) + padding, at: [start])
        pending.removeFirst(count)
    }
}
