import Base

/// Writes an HDF5 file of features: a float32 dataset (n, D) for each name, `/labels` int64 (n), -1 for none, and, if there are any, `/classes`, the
/// names of the labels.
package struct FeatureFile: ~Copyable {
    private let dim: Int
    private var file: NewHDF5File
    private let names: [String]

    /// Starts the file `path` for `count` rows of `dim` values in each of the datasets `names`; `attributes` are those of the root.
    ///
    /// Throws `Failure` if the file cannot be created.
    package init(path: String, names: [String], count: Int, dim: Int, attributes: [String: String]) throws {
        let file = try NewHDF5File(
            path, isLocked: true, hint: "free some space on the disk or choose another place")
        for (name, text) in attributes.sorted(by: { $0.key < $1.key }) { try file.writeAttribute(name, text) }
        for name in names {
            var dataset = try file.makeDataset(name, .float, [count, dim])
            try dataset.close()
        }
        self.names = names
        self.dim = dim
        self.file = file
    }

    /// Writes the rows `samples` of every dataset; `rows` points to the first row of each.
    ///
    /// Throws `Failure` if that fails, for example on a full disk.
    package func write(_ samples: Range<Int>, _ rows: [UnsafePointer<Float>]) throws {
        for (name, rows) in zip(names, rows) {
            var dataset = try file.openDataset(name)
            try dataset.write(rows, at: samples.lowerBound, count: samples.count, dim: dim)
            try dataset.close()
        }
    }

    /// Completes the file with the labels of all rows, which are numbers of `classes`, and renames it.
    package mutating func finish(labels: [Int], classes: [String]) throws {
        try file.writeDataset("labels", .int64, labels.map { Int64($0) })
        if !classes.isEmpty { try file.writeDataset("classes", classes) }
        try file.close()
        try file.commit()
    }
}
