import Base
import CHDF5

/// A dataset of a `NewHDF5File` that is written piece by piece.
package struct NewHDF5Dataset: ~Copyable {
    private var dataset: KeptHDF5Handle
    private let writeFailure: Failure

    init(_ dataset: consuming KeptHDF5Handle, writeFailure: Failure) {
        self.dataset = dataset
        self.writeFailure = writeFailure
    }

    /// Writes the chunk whose first element is at `offset`. Throws `Failure` if that fails.
    package func writeChunk(_ bytes: [UInt8], at offset: [Int]) throws {
        let offset = offset.map { hsize_t($0) }
        let status = HDF5Turn.take { _ in
            H5Dwrite_chunk(dataset.id, crate_h5_default(), 0, offset, bytes.count, bytes)
        }
        try check(status, orThrow: writeFailure)
    }

    /// Makes the dataset larger or smaller. Throws `Failure` if that fails.
    package func resize(to extents: [Int]) throws {
        let extents = extents.map { hsize_t($0) }
        try check(HDF5Turn.take { _ in H5Dset_extent(dataset.id, extents) }, orThrow: writeFailure)
    }

    /// Writes `count` rows of `dim` floats from row `first` on. Throws `Failure` if that fails.
    func write(_ rows: UnsafePointer<Float>, at first: Int, count: Int, dim: Int) throws {
        try HDF5Turn.take { turn in
            let place = try HDF5Handle(H5Dget_space(dataset.id), closedBy: H5Sclose, turn, orThrow: writeFailure)
            let (start, extent) = ([hsize_t(first), 0], [hsize_t(count), hsize_t(dim)])
            try check(H5Sselect_hyperslab(place.id, H5S_SELECT_SET, start, nil, extent, nil), orThrow: writeFailure)
            let memory = try makeSpace([count, dim], turn, orThrow: writeFailure)
            try check(
                H5Dwrite(dataset.id, crate_h5_float(), memory.id, place.id, crate_h5_default(), rows),
                orThrow: writeFailure)
        }
    }

    /// Closes now. Throws `Failure` if what is still in memory cannot be written.
    package mutating func close() throws { try dataset.close(orThrow: writeFailure) }
}
