import Base
import CHDF5
import Foundation

/// The right to call libhdf5, which one thread has at a time, since not every libhdf5 can be called by several.
///
/// What calls libhdf5 takes a turn as an argument, only `take` hands one out, and only this target can call libhdf5.
struct HDF5Turn: ~Copyable {
    private static let lock = NSLock()

    private init() {}

    /// Runs `body`, which must be short, since other threads wait for it, and must not take another turn.
    static func take<Result>(_ body: (borrowing HDF5Turn) throws -> Result) rethrows -> Result {
        lock.lock()
        defer { lock.unlock() }
        crate_h5_prepare()
        return try body(HDF5Turn())
    }
}

/// An HDF5 object (dataset, space, type, property list) that is opened and closed within a turn.
struct HDF5Handle: ~Copyable {
    typealias Close = @convention(c) (hid_t) -> herr_t

    /// The object's identifier; negative once it is closed.
    private(set) var id: hid_t
    private let closing: Close

    /// Owns what an HDF5 call returned. Throws `failure` when that says that the call failed.
    init(
        _ id: hid_t, closedBy closing: Close, _ turn: borrowing HDF5Turn, orThrow failure: @autoclosure () -> Failure
    ) throws {
        guard id >= 0 else { throw failure() }
        self.id = id
        self.closing = closing
    }

    deinit {
        if id >= 0 { _ = closing(id) }
    }

    /// Closes now. Throws `failure` when that does not succeed: closing writes what is still in memory.
    mutating func close(orThrow failure: @autoclosure () -> Failure) throws {
        let status = closing(id)
        id = -1
        guard status >= 0 else { throw failure() }
    }

    /// The identifier, which the caller now owns.
    consuming func released() -> hid_t {
        defer { id = -1 }
        return id
    }
}

/// An HDF5 object (file, dataset) that stays open from turn to turn, and is closed in a turn of its own.
struct KeptHDF5Handle: ~Copyable {
    private(set) var id: hid_t
    private let closing: HDF5Handle.Close

    /// Owns the object that was opened as `id` in an earlier turn.
    init(_ id: hid_t, closedBy closing: HDF5Handle.Close) {
        self.id = id
        self.closing = closing
    }

    deinit {
        if id >= 0 { HDF5Turn.take { _ in _ = closing(id) } }
    }

    /// Closes now, as `HDF5Handle.close` does.
    mutating func close(orThrow failure: @autoclosure () -> Failure) throws {
        let status = HDF5Turn.take { _ in closing(id) }
        id = -1
        guard status >= 0 else { throw failure() }
    }
}

/// Throws `failure` when `status`, which an HDF5 call returned, says that the call failed.
func check(_ status: herr_t, orThrow failure: @autoclosure () -> Failure) throws {
    guard status >= 0 else { throw failure() }
}

/// A space of the given extents, which can grow without bounds if `isExtensible`.
func makeSpace(
    _ extents: [Int], isExtensible: Bool = false, _ turn: borrowing HDF5Turn,
    orThrow failure: @autoclosure () -> Failure
) throws -> HDF5Handle {
    let limits = isExtensible ? extents.map { _ in crate_h5_unlimited() } : nil
    return try HDF5Handle(
        H5Screate_simple(Int32(extents.count), extents.map { hsize_t($0) }, limits), closedBy: H5Sclose, turn,
        orThrow: failure())
}

/// The version of the HDF5 library.
package func hdf5Version() -> String {
    HDF5Turn.take { _ in
        var (major, minor, release): (UInt32, UInt32, UInt32) = (0, 0, 0)
        H5get_libversion(&major, &minor, &release)
        return "\(major).\(minor).\(release)"
    }
}
