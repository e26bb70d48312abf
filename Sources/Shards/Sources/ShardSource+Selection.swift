// What a source is, and which part of it is meant.

extension ShardSource {
    package enum Kind: String, Codable, Sendable {
        /// <class>/<file> in a directory, or images in it.
        case folder
        /// The same in a tar archive, at any depth.
        case tar
        /// The same in a zip archive.
        case zip
        /// A tar archive with one tar archive per class.
        case imagenetTraining = "ilsvrc2012-train"
        /// A tar archive of images without directories, and a file with their labels.
        case imagenetValidation = "ilsvrc2012-val"
        /// Tar archives of samples, whose members share a stem.
        case webDataset = "webdataset"
        /// CIFAR-10, binary or pickled, in a directory or a tar archive. The same images whatever the form.
        case cifar10
        /// CIFAR-100 in the same forms, with its fine labels.
        case cifar100
        /// Arrays of NumPy.
        case numpy
        /// Arrays in the form of MNIST.
        case idx
        /// Tables as Hugging Face publishes them.
        case parquet
    }

    /// What else is needed to find images and classes.
    package struct Selection: Sendable {
        /// The part of the source to use: a directory in it, or a prefix of the names of its batches, arrays or tables.
        package var within: String?
        /// The file with the labels of a `Kind.imagenetValidation` or of an array.
        package var labels: String?
        /// The file with the name of each number, if labels are numbers.
        package var labelNames: String?
        /// The column, field or member with the labels; by default one with a usual name.
        package var labelField: String?
        /// Class names in the order of the labels; by default the source's own order, or else sorted by their bytes.
        package var classes: [String]?
        /// A compressed archive of more bytes is not kept in memory, but streamed in its own order.
        package var memoryLimit = 1 << 30

        /// Everything of a source that knows its classes.
        package init(
            within: String? = nil, labels: String? = nil, labelNames: String? = nil, labelField: String? = nil,
            classes: [String]? = nil
        ) {
            self.within = within
            self.labels = labels
            self.labelNames = labelNames
            self.labelField = labelField
            self.classes = classes
        }
    }
}
