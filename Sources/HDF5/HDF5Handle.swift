import Base
import CHDF5

/// An open HDF5 object (file, dataset, space, type, property list), closed when its owner goes.
package struct HDF5Handle: ~Copyable {
    package typealias Close = @convention(c) (hid_t) -> herr_t

    /// The object's identifier; negative once it is closed.
    package private(set) var id: hid_t
    private let closing: Close

    /// Owns what an HDF5 call returned. Throws `failure` when that says that the call failed.
    package init(_ id: hid_t, closedBy closing: Close, orThrow failure: @autoclosure () -> Failure) throws {
        guard id >= 0 else { throw failure() }
        self.id = id
        self.closing = closing
    }

    deinit {
        if id >= 0 { _ = closing(id) }
    }

    /// Closes now. Throws `failure` when that does not succeed: closing writes what is still in memory.
    package mutating func close(orThrow failure: @autoclosure () -> Failure) throws {
        let status = closing(id)
        id = -1
        guard status >= 0 else { throw failure() }
    }
}

/// Throws `failure` when `status`, which an HDF5 call returned, says that the call failed.
package func check(_ status: herr_t, orThrow failure: @autoclosure () -> Failure) throws {
    guard status >= 0 else { throw failure() }
}

/// A space of the given extents, which can grow without bounds if `isExtensible`.
package func makeSpace(
    _ extents: [Int], isExtensible: Bool = false, orThrow failure: @autoclosure () -> Failure
) throws -> HDF5Handle {
    let limits = isExtensible ? extents.map { _ in crate_h5_unlimited() } : nil
    return try HDF5Handle(
        H5Screate_simple(Int32(extents.count), extents.map { hsize_t($0) }, limits), closedBy: H5Sclose,
        orThrow: failure())
}

/// The type of strings of any length in UTF-8.
package func makeStringType(orThrow failure: @autoclosure () -> Failure) throws -> HDF5Handle {
    let type = try HDF5Handle(H5Tcopy(crate_h5_string()), closedBy: H5Tclose, orThrow: failure())
    try check(H5Tset_size(type.id, crate_h5_variable_length()), orThrow: failure())
    try check(H5Tset_cset(type.id, H5T_CSET_UTF8), orThrow: failure())
    return type
}

/// Access to a file, for shards without locks: they are never written while they are read, and many cluster file systems
/// refuse to lock.
package func makeFileAccess(isLocked: Bool, orThrow failure: @autoclosure () -> Failure) throws -> HDF5Handle {
    let access = try HDF5Handle(H5Pcreate(crate_h5_file_access()), closedBy: H5Pclose, orThrow: failure())
    if !isLocked { try check(H5Pset_file_locking(access.id, false, true), orThrow: failure()) }
    return access
}

/// The version of the HDF5 library, and whether it lets several threads call it.
package func hdf5Version() -> (text: String, isThreadSafe: Bool) {
    var (major, minor, release): (UInt32, UInt32, UInt32) = (0, 0, 0)
    H5get_libversion(&major, &minor, &release)
    var isThreadSafe: hbool_t = false
    H5is_library_threadsafe(&isThreadSafe)
    return ("\(major).\(minor).\(release)", isThreadSafe)
}
