import Base
import CHDF5
import HDF5
import Images

/// Bytes of a chunk of `/bytes`: large enough for fast reads, small enough to waste little at the end.
let bytesPerChunk = 1 << 20

/// The dataset of patches, one chunk per sample, written and read whole without a cache.
func makePatches(file: hid_t, grid: PatchGrid, capacity: Int, orThrow failure: Failure) throws -> HDF5Handle {
    let space = try makeSpace([capacity, grid.patchCount, grid.valuesPerPatch], orThrow: failure)
    return try makeSamples(
        "patches", file: file, space: space, chunk: [1, grid.patchCount, grid.valuesPerPatch], orThrow: failure)
}

/// The extensible dataset of JPEG files.
func makeBytes(file: hid_t, orThrow failure: Failure) throws -> HDF5Handle {
    let space = try HDF5Handle(
        H5Screate_simple(1, [0], [crate_h5_unlimited()]), closedBy: H5Sclose, orThrow: failure)
    return try makeSamples("bytes", file: file, space: space, chunk: [bytesPerChunk], orThrow: failure)
}

private func makeSamples(
    _ name: String, file: hid_t, space: borrowing HDF5Handle, chunk: [Int], orThrow failure: Failure
) throws -> HDF5Handle {
    let creation = try makeDatasetCreation(orThrow: failure)
    try check(H5Pset_chunk(creation.id, Int32(chunk.count), chunk.map { hsize_t($0) }), orThrow: failure)
    return try HDF5Handle(
        H5Dcreate2(file, name, crate_h5_uint8(), space.id, crate_h5_default(), creation.id, crate_h5_default()),
        closedBy: H5Dclose, orThrow: failure)
}
