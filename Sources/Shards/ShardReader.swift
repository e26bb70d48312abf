import CHDF5
import Files
import Foundation
import Images

/// An open shard file. A class, because a cache of open files hands it out and closes it.
///
/// For one thread at a time.
public final class ShardReader {
    /// The shard file.
    public let path: String
    /// The number of samples.
    public let count: Int
    /// A class for each sample, -1 where there is none.
    public let labels: [Int]
    private let grid: PatchGrid
    private let checksums: [UInt32]
    private let file: HDF5Handle
    private let patches: HDF5Handle
    private let patchSpace: HDF5Handle
    private let sampleSpace: HDF5Handle

    /// Opens shard `shard` of `directory` and checks that it is what `index` says.
    ///
    /// Throws `Failure` naming the file when it cannot be opened, lacks a dataset or has other shapes or types.
    public init(directory: String, shard: Int, index: ShardIndex) throws {
        crate_h5_prepare()
        let entry = index.shards[shard]
        let grid = try index.grid()
        let path = (directory as NSString).appendingPathComponent(entry.file)
        let opening = Failure("cannot open \(path) as an HDF5 file", hint: restoreHint)
        let access = try makeUnlockedAccess(orThrow: opening)
        let file = try HDF5Handle(
            H5Fopen(path, crate_h5_read_only(), access.id), closedBy: H5Fclose, orThrow: opening)
        let contents = ShardContents(file: file.id, path: path)

        let extents = [entry.count, grid.patchCount, grid.valuesPerPatch]
        let patches = try contents.open("patches", extents: extents, type: crate_h5_uint8())
        let labels = try contents.values("labels", count: entry.count, type: crate_h5_int64(), zero: Int64(0))
        guard labels.allSatisfy({ $0 >= -1 && $0 < index.classes.count }) else {
            throw Failure("\(path): a label is not among the \(index.classes.count) classes", hint: restoreHint)
        }
        let checksums = try contents.values(
            "checksums", count: entry.count, type: crate_h5_uint32(), zero: UInt32(0))
        let patchSpace = try HDF5Handle(H5Dget_space(patches.id), closedBy: H5Sclose, orThrow: opening)
        let sampleSpace = try makeSpace([1] + extents.dropFirst(), orThrow: opening)

        self.path = path
        self.grid = grid
        count = entry.count
        self.labels = labels.map { Int($0) }
        self.checksums = checksums
        self.file = file
        self.patches = patches
        self.patchSpace = patchSpace
        self.sampleSpace = sampleSpace
    }

    /// Reads the patches (L, p * p * 3) of sample `sample` of this shard to `target`.
    ///
    /// Throws `Failure` naming the file and the sample when there is no such sample, it cannot be read, or its
    /// bytes do not have the recorded checksum.
    public func read(sample: Int, into target: UnsafeMutablePointer<UInt8>) throws {
        try demandSample(sample)
        crate_h5_prepare()
        let failure = Failure("cannot read sample \(sample) of \(path)", hint: restoreHint)
        let start: [hsize_t] = [hsize_t(sample), 0, 0]
        let extents: [hsize_t] = [1, hsize_t(grid.patchCount), hsize_t(grid.valuesPerPatch)]
        try check(H5Sselect_hyperslab(patchSpace.id, H5S_SELECT_SET, start, nil, extents, nil), orThrow: failure)
        try check(
            H5Dread(
                patches.id, crate_h5_uint8(), sampleSpace.id, patchSpace.id, crate_h5_default(), target),
            orThrow: failure)
        let bytes = UnsafeRawBufferPointer(start: target, count: grid.valueCount)
        guard Checksum(of: bytes).value == checksums[sample] else {
            throw Failure("sample \(sample) of \(path) is damaged: wrong checksum", hint: restoreHint)
        }
    }

    /// The path of the file, relative to the source, that sample `sample` was made of.
    ///
    /// Throws `Failure` when there is no such sample or the key cannot be read.
    public func key(sample: Int) throws -> String {
        try demandSample(sample)
        crate_h5_prepare()
        return try ShardContents(file: file.id, path: path).string("keys", at: sample, count: count)
    }

    private func demandSample(_ sample: Int) throws {
        guard sample >= 0, sample < count else {
            throw Failure("\(path) has no sample \(sample), only \(count)", hint: "ask for one that is there")
        }
    }
}
