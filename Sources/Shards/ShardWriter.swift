import CHDF5
import Files
import Foundation
import Images

/// Writes one shard file: under its temporary name until `finish`, removed when that is never reached.
struct ShardWriter: ~Copyable {
    private let path: String
    private let grid: PatchGrid
    private let capacity: Int
    private var file: HDF5Handle
    private var patches: HDF5Handle
    private var labels: [Int64] = []
    private var keys: [String] = []
    private var checksums: [UInt32] = []
    private var isFinished = false

    /// Starts the shard `path` of at most `capacity` samples.
    ///
    /// Throws `Failure` when the file cannot be created.
    init(path: String, grid: PatchGrid, capacity: Int) throws {
        crate_h5_prepare()
        let failure = Failure("cannot create \(path)", hint: "check the directory and the free space")
        let access = try makeUnlockedAccess(orThrow: failure)
        let file = try HDF5Handle(
            H5Fcreate(DurableFile.partialPath(of: path), crate_h5_truncate(), crate_h5_default(), access.id),
            closedBy: H5Fclose, orThrow: failure)
        let patches: HDF5Handle
        do {
            patches = try makePatches(file: file.id, grid: grid, capacity: capacity, orThrow: failure)
        } catch {
            unlink(DurableFile.partialPath(of: path))
            throw error
        }
        self.path = path
        self.grid = grid
        self.capacity = capacity
        self.file = file
        self.patches = patches
    }

    deinit {
        if !isFinished { unlink(DurableFile.partialPath(of: path)) }
    }

    /// The number of samples so far.
    var count: Int { labels.count }
    /// Whether another sample has room.
    var isFull: Bool { count == capacity }

    /// Appends a sample: `patches` (L, p * p * 3) with their CRC-32, its label (-1 if it has none), and its key.
    ///
    /// Throws `Failure` when the shard is full or cannot be written.
    mutating func append(patches values: UnsafePointer<UInt8>, checksum: UInt32, label: Int, key: String) throws {
        guard !isFull else { throw Failure("\(path) is full", hint: "start another shard") }
        crate_h5_prepare()
        let offset: [hsize_t] = [hsize_t(count), 0, 0]
        try check(
            H5Dwrite_chunk(patches.id, crate_h5_default(), 0, offset, grid.valueCount, values),
            orThrow: writeFailure)
        labels.append(Int64(label))
        keys.append(key)
        checksums.append(checksum)
    }

    /// Completes the file, gives it its name, and returns its entry for the index.
    ///
    /// Throws `Failure` when that fails; the file is removed then.
    consuming func finish() throws -> ShardIndex.Shard {
        crate_h5_prepare()
        let failure = writeFailure
        try check(
            H5Dset_extent(patches.id, [count, grid.patchCount, grid.valuesPerPatch].map { hsize_t($0) }),
            orThrow: failure)
        try patches.close(orThrow: failure)
        try writeDataset("labels", crate_h5_int64(), labels)
        try writeDataset("checksums", crate_h5_uint32(), checksums)
        try writeKeys()
        try file.close(orThrow: failure)

        let partial = DurableFile.partialPath(of: path)
        let (bytes, checksum) = try measured(partial)
        try DurableFile.commit(partialOf: path)
        isFinished = true
        return ShardIndex.Shard(
            file: (path as NSString).lastPathComponent, count: count, bytes: bytes, checksum: checksum)
    }

    private var writeFailure: Failure {
        Failure("cannot write \(path)", hint: "free some space on the disk or choose another directory")
    }
}

extension ShardWriter {
    private func writeDataset<Value: BitwiseCopyable>(_ name: String, _ type: hid_t, _ values: [Value]) throws {
        let space = try makeSpace([values.count], orThrow: writeFailure)
        let creation = try makeDatasetCreation(orThrow: writeFailure)
        var dataset = try HDF5Handle(
            H5Dcreate2(
                file.id, name, type, space.id, crate_h5_default(), creation.id, crate_h5_default()),
            closedBy: H5Dclose, orThrow: writeFailure)
        try check(
            H5Dwrite(
                dataset.id, type, crate_h5_whole_space(), crate_h5_whole_space(), crate_h5_default(), values),
            orThrow: writeFailure)
        try dataset.close(orThrow: writeFailure)
    }

    private func writeKeys() throws {
        let type = try makeStringType(orThrow: writeFailure)
        let strings = keys.map { strdup($0) }
        defer { for string in strings { free(string) } }
        try writeDataset("keys", type.id, strings)
    }

    /// Size and CRC-32 of a file.
    private func measured(_ path: String) throws -> (bytes: Int, checksum: UInt32) {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw systemFailure("cannot read \(path)") }
        defer { close(descriptor) }
        let piece = UnsafeMutableRawBufferPointer.allocate(byteCount: 1 << 20, alignment: 64)
        defer { piece.deallocate() }
        var checksum = Checksum()
        var bytes = 0
        while true {
            let count = read(descriptor, piece.baseAddress!, piece.count)
            if count == 0 { return (bytes, checksum.value) }
            guard count > 0 else { throw systemFailure("cannot read \(path)") }
            checksum.update(UnsafeRawBufferPointer(rebasing: piece[..<count]))
            bytes += count
        }
    }
}

/// The dataset of the patches. One chunk a sample: it is written and read whole, without passing through a cache.
private func makePatches(file: hid_t, grid: PatchGrid, capacity: Int, orThrow failure: Failure) throws -> HDF5Handle {
    let space = try makeSpace([capacity, grid.patchCount, grid.valuesPerPatch], orThrow: failure)
    let creation = try makeDatasetCreation(orThrow: failure)
    let chunk: [hsize_t] = [1, hsize_t(grid.patchCount), hsize_t(grid.valuesPerPatch)]
    try check(H5Pset_chunk(creation.id, 3, chunk), orThrow: failure)
    return try HDF5Handle(
        H5Dcreate2(
            file, "patches", crate_h5_uint8(), space.id, crate_h5_default(), creation.id, crate_h5_default()),
        closedBy: H5Dclose, orThrow: failure)
}
