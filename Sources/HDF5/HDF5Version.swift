import CHDF5

/// The version of the HDF5 library, and whether it lets several threads call it.
package func hdf5Version() -> (text: String, isThreadSafe: Bool) {
    var (major, minor, release): (UInt32, UInt32, UInt32) = (0, 0, 0)
    H5get_libversion(&major, &minor, &release)
    var isThreadSafe: hbool_t = false
    H5is_library_threadsafe(&isThreadSafe)
    return ("\(major).\(minor).\(release)", isThreadSafe)
}
