import Base
import CHDF5
import HDF5
import Images
import Synchronization

/// The tables of a shard file about its samples.
struct ShardTables {
    let labels: [Int32]
    let checksums: [UInt32]
    let layout: SampleLayout

    /// Throws `Failure` if the tables of `path` do not match `entry` and `index`.
    init(path: String, entry: ShardIndex.Shard, index: ShardIndex) throws {
        self = try ShardTables.withContents(of: path) { contents in
            let labels = try contents.values("labels", count: entry.count, type: crate_h5_int64(), zero: Int64(0))
            guard labels.allSatisfy({ $0 >= -1 && $0 < index.classes.count }) else {
                throw Failure("\(path): a label is not among the \(index.classes.count) classes", hint: restoreHint)
            }
            return ShardTables(
                labels: labels.map { Int32($0) },
                checksums: try contents.values(
                    "checksums", count: entry.count, type: crate_h5_uint32(), zero: UInt32(0)),
                layout: try SampleLayout(
                    contents, count: entry.count, bytes: entry.bytes,
                    grid: index.encoding == .patches ? index.grid() : nil))
        }
    }

    private init(labels: [Int32], checksums: [UInt32], layout: SampleLayout) {
        self.labels = labels
        self.checksums = checksums
        self.layout = layout
    }

    /// Opens the shard file `path` with libhdf5 for `body`. One thread at a time, because not every libhdf5 is thread-safe.
    static func withContents<Result>(of path: String, _ body: (ShardContents) throws -> Result) throws -> Result {
        try turn.withLock { _ in
            crate_h5_prepare()
            let failure = Failure("cannot open \(path) as an HDF5 file", hint: restoreHint)
            let access = try makeFileAccess(isLocked: false, orThrow: failure)
            let file = try HDF5Handle(
                H5Fopen(path, crate_h5_read_only(), access.id), closedBy: H5Fclose, orThrow: failure)
            return try body(ShardContents(file: file.id, path: path))
        }
    }

    private static let turn = Mutex(())
}

extension SampleLayout {
    /// The layout of the `count` samples of a shard of `bytes` bytes: patches of `grid` or, without one, JPEG files.
    ///
    /// Throws `Failure` if the datasets have other shapes or types, or are outside of the file.
    init(_ contents: ShardContents, count: Int, bytes: Int, grid: PatchGrid?) throws {
        if let grid {
            let sample = [grid.patchCount, grid.valuesPerPatch]
            let dataset = try contents.open("patches", extents: [count] + sample, type: crate_h5_uint8())
            let starts = try contents.chunkStarts(
                of: dataset, named: "patches", extents: [1] + sample, count: count, fileBytes: bytes)
            self.init(
                offsets: (0...count).map { $0 * grid.valueCount }, chunkBytes: grid.valueCount, chunkStarts: starts)
        } else {
            let offsets = try contents.values("offsets", count: count + 1, type: crate_h5_int64(), zero: Int64(0))
            // So a sample's size, by which memory is allocated, is bounded by the file's size.
            guard offsets.first == 0, zip(offsets, offsets.dropFirst()).allSatisfy({ $0 < $1 }),
                let total = offsets.last, total <= bytes
            else { throw Failure("\(contents.path): /offsets contradict each other", hint: restoreHint) }
            let dataset = try contents.open("bytes", extents: [Int(total)], type: crate_h5_uint8())
            let chunk = try contents.chunkExtent(of: dataset, named: "bytes", atMost: bytes)
            let starts = try contents.chunkStarts(
                of: dataset, named: "bytes", extents: [chunk], count: (Int(total) + chunk - 1) / chunk, fileBytes: bytes
            )
            self.init(offsets: offsets.map { Int($0) }, chunkBytes: chunk, chunkStarts: starts)
        }
    }
}
