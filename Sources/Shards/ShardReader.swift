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
    /// The bytes of each sample in the dataset of all samples' bytes; for patches their number alone counts.
    private let ranges: [Range<Int>]
    private let checksums: [UInt32]
    private let file: HDF5Handle
    private let samples: HDF5Handle
    private let fileSpace: HDF5Handle
    /// Of a sample of patches; of JPEG files each has its own.
    private let patchExtents: [Int]?

    /// Opens shard `shard` of `directory` and checks that it is what `index` says.
    ///
    /// Throws `Failure` naming the file when it cannot be opened, lacks a dataset or has other shapes or types.
    public init(directory: String, shard: Int, index: ShardIndex) throws {
        crate_h5_prepare()
        let entry = index.shards[shard]
        let path = (directory as NSString).appendingPathComponent(entry.file)
        let opening = Failure("cannot open \(path) as an HDF5 file", hint: restoreHint)
        let access = try makeUnlockedAccess(orThrow: opening)
        let file = try HDF5Handle(
            H5Fopen(path, crate_h5_read_only(), access.id), closedBy: H5Fclose, orThrow: opening)
        let contents = ShardContents(file: file.id, path: path)

        let samples: HDF5Handle
        switch index.encoding {
        case .patches:
            let grid = try index.grid()
            let extents = [grid.patchCount, grid.valuesPerPatch]
            samples = try contents.open("patches", extents: [entry.count] + extents, type: crate_h5_uint8())
            patchExtents = extents
            ranges = (0..<entry.count).map { $0 * grid.valueCount..<($0 + 1) * grid.valueCount }
        case .jpeg:
            let offsets = try contents.values(
                "offsets", count: entry.count + 1, type: crate_h5_int64(), zero: Int64(0))
            // So a sample's size, by which memory is allocated, is bounded by that of the file.
            guard offsets.first == 0, zip(offsets, offsets.dropFirst()).allSatisfy({ $0 < $1 }),
                let total = offsets.last, total <= entry.bytes
            else { throw Failure("\(path): /offsets contradict each other", hint: restoreHint) }
            samples = try contents.open("bytes", extents: [Int(total)], type: crate_h5_uint8())
            patchExtents = nil
            ranges = zip(offsets, offsets.dropFirst()).map { Int($0)..<Int($1) }
        }
        let labels = try contents.values("labels", count: entry.count, type: crate_h5_int64(), zero: Int64(0))
        guard labels.allSatisfy({ $0 >= -1 && $0 < index.classes.count }) else {
            throw Failure("\(path): a label is not among the \(index.classes.count) classes", hint: restoreHint)
        }
        let checksums = try contents.values(
            "checksums", count: entry.count, type: crate_h5_uint32(), zero: UInt32(0))
        let fileSpace = try HDF5Handle(H5Dget_space(samples.id), closedBy: H5Sclose, orThrow: opening)

        self.path = path
        count = entry.count
        self.labels = labels.map { Int($0) }
        self.checksums = checksums
        self.file = file
        self.samples = samples
        self.fileSpace = fileSpace
    }

    /// Reads sample `sample` of this shard to `target`: its patches (L, p * p * 3), or its JPEG file.
    ///
    /// Throws `Failure` naming the file and the sample when there is no such sample, it cannot be read, or its
    /// bytes do not have the recorded checksum.
    public func read(sample: Int, into target: UnsafeMutablePointer<UInt8>) throws {
        try demandSample(sample)
        crate_h5_prepare()
        let failure = Failure("cannot read sample \(sample) of \(path)", hint: restoreHint)
        let range = ranges[sample]
        let start = patchExtents == nil ? [range.lowerBound] : [sample, 0, 0]
        let extents = patchExtents.map { [1] + $0 } ?? [range.count]
        let space = try makeSpace(extents, orThrow: failure)
        try check(
            H5Sselect_hyperslab(
                fileSpace.id, H5S_SELECT_SET, start.map { hsize_t($0) }, nil, extents.map { hsize_t($0) }, nil),
            orThrow: failure)
        try check(
            H5Dread(samples.id, crate_h5_uint8(), space.id, fileSpace.id, crate_h5_default(), target),
            orThrow: failure)
        guard Checksum(of: UnsafeRawBufferPointer(start: target, count: range.count)).value == checksums[sample] else {
            throw Failure("sample \(sample) of \(path) is damaged: wrong checksum", hint: restoreHint)
        }
    }

    /// The patches (L, p * p * 3) or the JPEG file of sample `sample`. Throws `Failure` as `read` does.
    public func bytes(of sample: Int) throws -> [UInt8] {
        try demandSample(sample)
        return try [UInt8](unsafeUninitializedCapacity: ranges[sample].count) { bytes, initialised in
            try read(sample: sample, into: bytes.baseAddress!)
            initialised = ranges[sample].count
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
