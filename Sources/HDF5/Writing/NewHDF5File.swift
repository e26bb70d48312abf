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
    private var file: KeptHDF5Handle
    private var isCommitted = false

    /// Starts the file `path`; `hint` is for failures to write. Throws `Failure` if it cannot be created.
    ///
    /// Shards are not locked: they are never written while they are read, and many cluster file systems refuse to lock.
    package init(_ path: String, isLocked: Bool, hint: String) throws {
        let failure = Failure("cannot create \(path)", hint: "check the directory and the free space")
        try DurableFile.requireReplaceable(path)
        let partial = DurableFile.newPartialPath(of: path)
        let id = try HDF5Turn.take { turn in
            let access = try HDF5Handle(
                H5Pcreate(crate_h5_file_access()), closedBy: H5Pclose, turn, orThrow: failure)
            if !isLocked { try check(H5Pset_file_locking(access.id, false, true), orThrow: failure) }
            // The version of the format that `HDF5File` reads, whatever the library would choose.
            try check(H5Pset_libver_bounds(access.id, H5F_LIBVER_EARLIEST, H5F_LIBVER_V18), orThrow: failure)
            let id = H5Fcreate(partial, crate_h5_exclusive(), crate_h5_default(), access.id)
            guard id >= 0 else { throw failure }
            return id
        }
        file = KeptHDF5Handle(id, closedBy: H5Fclose)
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
        _ name: String, _ type: HDF5Type, _ extents: [Int], isExtensible: Bool = false, chunk: [Int]? = nil
    ) throws -> NewHDF5Dataset {
        let id = try HDF5Turn.take { turn in
            try openNewDataset(
                name, type, extents, isExtensible: isExtensible, chunk: chunk, turn, orThrow: creationFailure
            ).released()
        }
        return NewHDF5Dataset(KeptHDF5Handle(id, closedBy: H5Dclose), writeFailure: writeFailure)
    }

    /// Opens the dataset `name`, which was made before.
    func openDataset(_ name: String) throws -> NewHDF5Dataset {
        let id = try HDF5Turn.take { _ in
            let id = H5Dopen2(file.id, name, crate_h5_default())
            guard id >= 0 else { throw writeFailure }
            return id
        }
        return NewHDF5Dataset(KeptHDF5Handle(id, closedBy: H5Dclose), writeFailure: writeFailure)
    }

    private func openNewDataset(
        _ name: String, _ type: HDF5Type, _ extents: [Int], isExtensible: Bool = false, chunk: [Int]? = nil,
        _ turn: borrowing HDF5Turn, orThrow failure: Failure
    ) throws -> HDF5Handle {
        let space = try makeSpace(extents, isExtensible: isExtensible, turn, orThrow: failure)
        let creation = try HDF5Handle(
            H5Pcreate(crate_h5_dataset_creation()), closedBy: H5Pclose, turn, orThrow: failure)
        // Without the time, so that the same samples give the same file.
        try check(H5Pset_obj_track_times(creation.id, false), orThrow: failure)
        if let chunk {
            try check(H5Pset_chunk(creation.id, Int32(chunk.count), chunk.map { hsize_t($0) }), orThrow: failure)
        }
        let stored = try type.handle(turn, orThrow: failure)
        return try HDF5Handle(
            H5Dcreate2(file.id, name, stored.id, space.id, crate_h5_default(), creation.id, crate_h5_default()),
            closedBy: H5Dclose, turn, orThrow: failure)
    }

    /// Writes `values` of the HDF5 type `type` as the one-dimensional dataset `name`.
    package func writeDataset<Value: BitwiseCopyable>(_ name: String, _ type: HDF5Type, _ values: [Value]) throws {
        try HDF5Turn.take { turn in
            var dataset = try openNewDataset(name, type, [values.count], turn, orThrow: writeFailure)
            let stored = try type.handle(turn, orThrow: writeFailure)
            try check(
                H5Dwrite(
                    dataset.id, stored.id, crate_h5_whole_space(), crate_h5_whole_space(), crate_h5_default(), values),
                orThrow: writeFailure)
            try dataset.close(orThrow: writeFailure)
        }
    }

    /// Writes `texts` as the one-dimensional dataset `name`.
    package func writeDataset(_ name: String, _ texts: [String]) throws {
        let strings = texts.map { strdup($0) }
        defer { for string in strings { free(string) } }
        try writeDataset(name, .text, strings)
    }

    /// Writes the attribute `name` of the root.
    func writeAttribute(_ name: String, _ text: String) throws {
        try HDF5Turn.take { turn in
            let type = try HDF5Type.text.handle(turn, orThrow: creationFailure)
            let space = try HDF5Handle(H5Screate(H5S_SCALAR), closedBy: H5Sclose, turn, orThrow: creationFailure)
            let attribute = try HDF5Handle(
                H5Acreate2(file.id, name, type.id, space.id, crate_h5_default(), crate_h5_default()),
                closedBy: H5Aclose, turn, orThrow: creationFailure)
            let status = text.withCString { text in
                withUnsafePointer(to: text) { H5Awrite(attribute.id, type.id, $0) }
            }
            try check(status, orThrow: creationFailure)
        }
    }

    /// Closes the file under its temporary name, at `partialPath`.
    package mutating func close() throws { try file.close(orThrow: writeFailure) }

    /// Gives the closed file its name.
    package mutating func commit() throws {
        try DurableFile.commit(partialPath, to: path)
        isCommitted = true
    }
}
