import Base
import CHDF5
import HDF5
import Synchronization

/// Datasets of an open shard file; opening one checks its shape and type.
struct ShardContents {
    let path: String
    private let file: hid_t

    /// Opens the shard file `path` with libhdf5 for `body`. One thread at a time, because not every libhdf5 is thread-safe.
    static func read<Result>(_ path: String, _ body: (ShardContents) throws -> Result) throws -> Result {
        try turn.withLock { _ in
            crate_h5_prepare()
            let failure = Failure("cannot open \(path) as an HDF5 file", hint: restoreHint)
            let access = try makeFileAccess(isLocked: false, orThrow: failure)
            let file = try HDF5Handle(
                H5Fopen(path, crate_h5_read_only(), access.id), closedBy: H5Fclose, orThrow: failure)
            return try body(ShardContents(path: path, file: file.id))
        }
    }

    private static let turn = Mutex(())

    /// The dataset `name` of shape `extents` and type `type`. Throws `Failure` if it is not.
    func open(_ name: String, extents: [Int], type: hid_t) throws -> HDF5Handle {
        let failure = Failure("\(path) has no readable dataset /\(name)", hint: restoreHint)
        let access = try HDF5Handle(
            H5Pcreate(crate_h5_dataset_access()), closedBy: H5Pclose, orThrow: failure)
        // A sample is one chunk and read once, so without a cache.
        try check(H5Pset_chunk_cache(access.id, 1, 0, 1), orThrow: failure)
        let dataset = try HDF5Handle(H5Dopen2(file, name, access.id), closedBy: H5Dclose, orThrow: failure)

        let space = try HDF5Handle(H5Dget_space(dataset.id), closedBy: H5Sclose, orThrow: failure)
        let rank = Int(H5Sget_simple_extent_ndims(space.id))
        // HDF5 allows at most 32 dimensions.
        guard rank >= 0, rank <= 32 else { throw failure }
        var found = [hsize_t](repeating: 0, count: rank)
        H5Sget_simple_extent_dims(space.id, &found, nil)
        guard found == extents.map({ hsize_t($0) }) else {
            throw Failure("\(path): /\(name) has shape \(found) and should have \(extents)", hint: restoreHint)
        }

        let stored = try HDF5Handle(H5Dget_type(dataset.id), closedBy: H5Tclose, orThrow: failure)
        guard H5Tequal(stored.id, type) > 0 else {
            throw Failure("\(path): /\(name) has the wrong type", hint: restoreHint)
        }
        return dataset
    }

    /// All values of the one-dimensional dataset `name`. Throws `Failure` unless it has `count` values of `type`.
    func values<Value: FixedWidthInteger>(_ name: String, count: Int, type: hid_t) throws -> [Value] {
        let dataset = try open(name, extents: [count], type: type)
        var values = [Value](repeating: 0, count: count)
        try check(
            H5Dread(dataset.id, type, crate_h5_whole_space(), crate_h5_whole_space(), crate_h5_default(), &values),
            orThrow: unreadable(name))
        return values
    }

    /// The strings at the positions `range` of the dataset `name`. Throws `Failure` unless it has `count` strings.
    func strings(_ name: String, in range: Range<Int>, count: Int) throws -> [String] {
        let failure = unreadable(name)
        let type = try makeStringType(orThrow: failure)
        let dataset = try open(name, extents: [count], type: type.id)
        let place = try HDF5Handle(H5Dget_space(dataset.id), closedBy: H5Sclose, orThrow: failure)
        let (start, extent) = ([hsize_t(range.lowerBound)], [hsize_t(range.count)])
        try check(H5Sselect_hyperslab(place.id, H5S_SELECT_SET, start, nil, extent, nil), orThrow: failure)
        let memory = try makeSpace([range.count], orThrow: failure)
        var texts = [UnsafeMutablePointer<CChar>?](repeating: nil, count: range.count)
        try check(H5Dread(dataset.id, type.id, memory.id, place.id, crate_h5_default(), &texts), orThrow: failure)
        defer { H5Dvlen_reclaim(type.id, memory.id, crate_h5_default(), &texts) }
        return try texts.map { text in
            guard let text else { throw failure }
            return String(cString: text)
        }
    }

    private func unreadable(_ name: String) -> Failure {
        Failure("cannot read /\(name) of \(path)", hint: restoreHint)
    }

    /// The file offset of each of the `count` chunks of `dataset`, of shape `extents` and consecutive along the first extent. Throws
    /// `Failure` if chunks are missing, filtered, or outside of the file's `bytes`.
    func chunkStarts(
        of dataset: borrowing HDF5Handle, named name: String, extents: [Int], count: Int, fileBytes bytes: Int
    ) throws -> [Int] {
        let failure = Failure("\(path): /\(name) is not stored in plain chunks of \(extents)", hint: restoreHint)
        let creation = try HDF5Handle(H5Dget_create_plist(dataset.id), closedBy: H5Pclose, orThrow: failure)
        var found = [hsize_t](repeating: 0, count: extents.count)
        guard H5Pget_layout(creation.id) == H5D_CHUNKED,
            Int(H5Pget_chunk(creation.id, Int32(extents.count), &found)) == extents.count,
            found == extents.map({ hsize_t($0) }), H5Pget_nfilters(creation.id) == 0
        else { throw failure }
        let size = extents.reduce(1, *)
        var origin = [hsize_t](repeating: 0, count: extents.count)
        return try (0..<count).map { chunk in
            origin[0] = hsize_t(chunk * extents[0])
            var (mask, address, stored) = (UInt32(0), haddr_t(0), hsize_t(0))
            try check(
                H5Dget_chunk_info_by_coord(dataset.id, origin, &mask, &address, &stored), orThrow: failure)
            guard mask == 0, stored == size, address != haddr_t.max, address <= UInt64(max(0, bytes - size)) else {
                throw failure
            }
            return Int(address)
        }
    }

    /// The values of a chunk of the one-dimensional `dataset`. Throws `Failure` if there are none or more than `largest`.
    func chunkExtent(of dataset: borrowing HDF5Handle, named name: String, atMost largest: Int) throws -> Int {
        let failure = Failure("\(path): /\(name) is not stored in chunks", hint: restoreHint)
        let creation = try HDF5Handle(H5Dget_create_plist(dataset.id), closedBy: H5Pclose, orThrow: failure)
        var extent: hsize_t = 0
        guard H5Pget_layout(creation.id) == H5D_CHUNKED, H5Pget_chunk(creation.id, 1, &extent) == 1, extent > 0,
            extent <= UInt64(largest)
        else { throw failure }
        return Int(extent)
    }
}
