import Base
import CHDF5
import Foundation

/// Writes an HDF5 file of features: a float32 dataset (n, D) for each name, and `/labels` int64 (n), -1 for none. It has its temporary
/// name until `finish`, and is removed if that is never reached.
package struct FeatureFile: ~Copyable {
    private let path: String
    private let dim: Int
    private var file: HDF5Handle
    private var datasets: [hid_t]
    private var isFinished = false

    /// Starts the file `path` for `count` rows of `dim` values in each of the datasets `names`; `attributes` are those of the root.
    ///
    /// Throws `Failure` if the file cannot be created.
    package init(path: String, names: [String], count: Int, dim: Int, attributes: [String: String]) throws {
        crate_h5_prepare()
        let failure = Failure("cannot create \(path)", hint: "check the directory and the free space")
        let partial = DurableFile.partialPath(of: path)
        let file = try HDF5Handle(
            H5Fcreate(partial, crate_h5_truncate(), crate_h5_default(), crate_h5_default()), closedBy: H5Fclose,
            orThrow: failure)
        var datasets: [hid_t] = []
        do {
            for (name, text) in attributes.sorted(by: { $0.key < $1.key }) {
                try writeAttribute(name, text, of: file.id, orThrow: failure)
            }
            let space = try makeSpace([count, dim], orThrow: failure)
            let creation = try makeDatasetCreation(orThrow: failure)
            for name in names {
                let dataset = H5Dcreate2(
                    file.id, name, crate_h5_float(), space.id, crate_h5_default(), creation.id, crate_h5_default())
                guard dataset >= 0 else { throw failure }
                datasets.append(dataset)
            }
        } catch {
            unlink(partial)
            throw error
        }
        self.path = path
        self.dim = dim
        self.file = file
        self.datasets = datasets
    }

    deinit {
        for dataset in datasets { H5Dclose(dataset) }
        if !isFinished { unlink(DurableFile.partialPath(of: path)) }
    }

    /// Writes the rows `samples` of every dataset; `rows` points to the first row of each.
    ///
    /// Throws `Failure` if that fails, for example on a full disk.
    package func write(_ samples: Range<Int>, _ rows: [UnsafePointer<Float>]) throws {
        crate_h5_prepare()
        for (dataset, rows) in zip(datasets, rows) {
            let place = try HDF5Handle(H5Dget_space(dataset), closedBy: H5Sclose, orThrow: writeFailure)
            let (start, extent) = ([hsize_t(samples.lowerBound), 0], [hsize_t(samples.count), hsize_t(dim)])
            try check(
                H5Sselect_hyperslab(place.id, H5S_SELECT_SET, start, nil, extent, nil), orThrow: writeFailure)
            let memory = try makeSpace([samples.count, dim], orThrow: writeFailure)
            try check(
                H5Dwrite(dataset, crate_h5_float(), memory.id, place.id, crate_h5_default(), rows),
                orThrow: writeFailure)
        }
    }

    /// Completes the file with the labels of all rows, and renames it.
    package mutating func finish(labels: [Int]) throws {
        crate_h5_prepare()
        let failure = writeFailure
        while let dataset = datasets.popLast() { try check(H5Dclose(dataset), orThrow: failure) }
        try writeDataset("labels", crate_h5_int64(), labels.map { Int64($0) }, of: file.id, orThrow: failure)
        try file.close(orThrow: failure)
        try DurableFile.commit(partialOf: path)
        isFinished = true
    }

    private var writeFailure: Failure {
        Failure("cannot write \(path)", hint: "free some space on the disk or choose another place")
    }
}

private func writeAttribute(
    _ name: String, _ text: String, of file: hid_t, orThrow failure: @autoclosure () -> Failure
) throws {
    let type = try makeStringType(orThrow: failure())
    let space = try HDF5Handle(H5Screate(H5S_SCALAR), closedBy: H5Sclose, orThrow: failure())
    let attribute = try HDF5Handle(
        H5Acreate2(file, name, type.id, space.id, crate_h5_default(), crate_h5_default()), closedBy: H5Aclose,
        orThrow: failure())
    let status = text.withCString { text in withUnsafePointer(to: text) { H5Awrite(attribute.id, type.id, $0) } }
    try check(status, orThrow: failure())
}
