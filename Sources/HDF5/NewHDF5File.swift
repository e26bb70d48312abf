import Base
import CHDF5
import Foundation

/// An HDF5 file that is being written: it has its temporary name until `commit`, and is removed if that is never reached.
package struct NewHDF5File: ~Copyable {
    package let path: String
    /// The temporary name until `commit`.
    package let partialPath: String
    /// What is thrown where a part of a new file cannot be made.
    package let creationFailure: Failure
    /// What is thrown where something cannot be written, for example on a full disk.
    package let writeFailure: Failure
    private var file: HDF5Handle
    private var isCommitted = false

    /// Starts the file `path`; `hint` is for failures to write. Throws `Failure` if it cannot be created.
    package init(_ path: String, isLocked: Bool, hint: String) throws {
        crate_h5_prepare()
        let failure = Failure("cannot create \(path)", hint: "check the directory and the free space")
        try DurableFile.requireReplaceable(path)
        let access = try makeFileAccess(isLocked: isLocked, orThrow: failure)
        let partial = DurableFile.newPartialPath(of: path)
        file = try HDF5Handle(
            H5Fcreate(partial, crate_h5_exclusive(), crate_h5_default(), access.id), closedBy: H5Fclose,
            orThrow: failure)
        self.path = path
        partialPath = partial
        creationFailure = failure
        writeFailure = Failure("cannot write \(path)", hint: hint)
    }

    deinit {
        if !isCommitted { unlink(partialPath) }
    }

    /// Makes the dataset `name` of shape `extents`, which can grow if `isExtensible`, stored in chunks of shape `chunk` if given.
    package func makeDataset(
        _ name: String, _ type: hid_t, _ extents: [Int], isExtensible: Bool = false, chunk: [Int]? = nil,
        orThrow failure: Failure
    ) throws -> HDF5Handle {
        let space = try makeSpace(extents, isExtensible: isExtensible, orThrow: failure)
        let creation = try HDF5Handle(H5Pcreate(crate_h5_dataset_creation()), closedBy: H5Pclose, orThrow: failure)
        // Without the time, so that the same samples give the same file.
        try check(H5Pset_obj_track_times(creation.id, false), orThrow: failure)
        if let chunk {
            try check(H5Pset_chunk(creation.id, Int32(chunk.count), chunk.map { hsize_t($0) }), orThrow: failure)
        }
        return try HDF5Handle(
            H5Dcreate2(file.id, name, type, space.id, crate_h5_default(), creation.id, crate_h5_default()),
            closedBy: H5Dclose, orThrow: failure)
    }

    /// Writes `values` of the HDF5 type `type` as the one-dimensional dataset `name`.
    package func writeDataset<Value: BitwiseCopyable>(_ name: String, _ type: hid_t, _ values: [Value]) throws {
        var dataset = try makeDataset(name, type, [values.count], orThrow: writeFailure)
        try check(
            H5Dwrite(dataset.id, type, crate_h5_whole_space(), crate_h5_whole_space(), crate_h5_default(), values),
            orThrow: writeFailure)
        try dataset.close(orThrow: writeFailure)
    }

    /// Writes `rows`, (samples, `dim`) floats, to the rows `samples` of the dataset `name`.
    func write(_ rows: UnsafePointer<Float>, of name: String, samples: Range<Int>, dim: Int) throws {
        var dataset = try HDF5Handle(
            H5Dopen2(file.id, name, crate_h5_default()), closedBy: H5Dclose, orThrow: writeFailure)
        let place = try HDF5Handle(H5Dget_space(dataset.id), closedBy: H5Sclose, orThrow: writeFailure)
        let (start, extent) = ([hsize_t(samples.lowerBound), 0], [hsize_t(samples.count), hsize_t(dim)])
        try check(H5Sselect_hyperslab(place.id, H5S_SELECT_SET, start, nil, extent, nil), orThrow: writeFailure)
        let memory = try makeSpace([samples.count, dim], orThrow: writeFailure)
        try check(
            H5Dwrite(dataset.id, crate_h5_float(), memory.id, place.id, crate_h5_default(), rows),
            orThrow: writeFailure)
        try dataset.close(orThrow: writeFailure)
    }

    /// Writes the attribute `name` of the root.
    func writeAttribute(_ name: String, _ text: String) throws {
        let type = try makeStringType(orThrow: creationFailure)
        let space = try HDF5Handle(H5Screate(H5S_SCALAR), closedBy: H5Sclose, orThrow: creationFailure)
        let attribute = try HDF5Handle(
            H5Acreate2(file.id, name, type.id, space.id, crate_h5_default(), crate_h5_default()), closedBy: H5Aclose,
            orThrow: creationFailure)
        let status = text.withCString { text in withUnsafePointer(to: text) { H5Awrite(attribute.id, type.id, $0) } }
        try check(status, orThrow: creationFailure)
    }

    /// Closes the file under its temporary name, at `partialPath`.
    package mutating func close() throws { try file.close(orThrow: writeFailure) }

    /// Gives the closed file its name.
    package mutating func commit() throws {
        try DurableFile.commit(partialPath, to: path)
        isCommitted = true
    }
}

/// Writes an HDF5 file of features: a float32 dataset (n, D) for each name, and `/labels` int64 (n), -1 for none.
package struct FeatureFile: ~Copyable {
    private let names: [String]
    private let dim: Int
    private var file: NewHDF5File

    /// Starts the file `path` for `count` rows of `dim` values in each of the datasets `names`; `attributes` are those of the root.
    ///
    /// Throws `Failure` if the file cannot be created.
    package init(path: String, names: [String], count: Int, dim: Int, attributes: [String: String]) throws {
        let file = try NewHDF5File(
            path, isLocked: true, hint: "free some space on the disk or choose another place")
        for (name, text) in attributes.sorted(by: { $0.key < $1.key }) { try file.writeAttribute(name, text) }
        for name in names {
            _ = try file.makeDataset(name, crate_h5_float(), [count, dim], orThrow: file.creationFailure)
        }
        self.names = names
        self.dim = dim
        self.file = file
    }

    /// Writes the rows `samples` of every dataset; `rows` points to the first row of each.
    ///
    /// Throws `Failure` if that fails, for example on a full disk.
    package func write(_ samples: Range<Int>, _ rows: [UnsafePointer<Float>]) throws {
        crate_h5_prepare()
        for (name, rows) in zip(names, rows) { try file.write(rows, of: name, samples: samples, dim: dim) }
    }

    /// Completes the file with the labels of all rows, and renames it.
    package mutating func finish(labels: [Int]) throws {
        crate_h5_prepare()
        try file.writeDataset("labels", crate_h5_int64(), labels.map { Int64($0) })
        try file.close()
        try file.commit()
    }
}
