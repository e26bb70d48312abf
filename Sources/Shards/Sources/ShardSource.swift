import Base
import Foundation
import Images

/// The images to shard, each with a class: a folder, an archive, or the files of a known data set. Archives are not unpacked: they are
/// listed once, and their members are read in place.
package struct ShardSource: Sendable {
    package enum Kind: String, Codable, Sendable {
        /// <class>/<file> in a directory.
        case folder
        /// <class>/<file> in a tar archive, at any depth.
        case tar
        /// A tar archive with one tar archive per class.
        case imagenetTraining = "ilsvrc2012-train"
        /// A tar archive of images without directories, and a file with their labels.
        case imagenetValidation = "ilsvrc2012-val"
        /// The binary batches of CIFAR-10, in a directory or a tar archive.
        case cifar10
    }

    /// What else is needed to find images and classes.
    package struct Selection: Sendable {
        /// The part of the source to use: a directory in it, or a prefix of the names of CIFAR-10's batches.
        package var within: String?
        /// The file with the labels of a `Kind.imagenetValidation`.
        package var labels: String?
        /// The file with the name of each number, if labels are numbers.
        package var labelNames: String?
        /// Class names in the order of the labels; by default those of the source, sorted by their bytes.
        package var classes: [String]?

        /// Everything of a source that knows its classes.
        package init(
            within: String? = nil, labels: String? = nil, labelNames: String? = nil, classes: [String]? = nil
        ) {
            self.within = within
            self.labels = labels
            self.labelNames = labelNames
            self.classes = classes
        }
    }

    package struct Item: Sendable {
        /// Index into `classes`.
        package let label: Int
        /// Its name in the class.
        package let name: String
        let place: Place
    }

    enum Place: Sendable {
        /// In a file of its own, named by the image's key.
        case file
        /// In a part of a file of the source.
        case part(file: Int, offset: Int, size: Int)
    }

    package let path: String
    package let kind: Kind
    /// Nil for all of it.
    package let within: String?
    package let classes: [String]
    /// Sorted by class name, then by name, as bytes.
    package let items: [Item]
    /// Classes, and images of one class, whose names differ only in their Unicode form. They are kept apart.
    package let unicodeTwins: UnicodeTwins
    /// Identifies the source; see `ShardRecipe.Source`.
    let record: ShardRecipe.Source
    let files: [SourceFile]

    /// Lists the images of the directory or archive `path`.
    ///
    /// Throws `Failure` if it is missing, unreadable or corrupt, has no images, has uncertain classes or classes outside of the selection,
    /// or would mix several parts, such as training and test.
    package init(_ path: String, _ selection: Selection = Selection()) throws {
        let listing = try SourceListing(path, selection)
        self.path = listing.path
        kind = listing.kind
        within = listing.kind == .folder ? nil : selection.within
        files = listing.files
        let names = listing.images.keys.sorted()
        classes = selection.classes ?? names.map(\.text)
        let labels = Dictionary(
            classes.enumerated().map { (ExactName($1), $0) }, uniquingKeysWith: { first, _ in first })
        try ShardSource.requireKnown(names, labels, path: path)
        var twins = UnicodeTwins()
        twins.add(names)
        var items: [Item] = []
        items.reserveCapacity(listing.images.reduce(0) { $0 + $1.value.count })
        for name in names {
            let images = listing.images[name, default: []].sorted { $0.name < $1.name }
            twins.add(images.map(\.name))
            for (number, image) in images.enumerated() {
                guard number == 0 || images[number - 1].name != image.name else {
                    throw Failure(
                        "\(path) has two images \(name.text)/\(image.name.text)", hint: "remove or rename one of them")
                }
                items.append(Item(label: labels[name] ?? 0, name: image.name.text, place: image.place))
            }
        }
        self.items = items
        unicodeTwins = twins
        record = ShardRecipe.Source(
            kind: kind, within: within, images: items.count, checksum: ShardSource.checksum(classes, items))
    }

    /// Throws `Failure` if one of the classes `names` has no label.
    private static func requireKnown(_ names: [ExactName], _ labels: [ExactName: Int], path: String) throws {
        let unknown = names.filter { labels[$0] == nil }
        guard let first = unknown.first else { return }
        if let twin = labels.keys.filter({ $0.text == first.text }).min() {
            throw Failure(
                "the class \(first.ascii) of \(path) and the class \(twin.ascii) given differ only in their Unicode form",
                hint: "write it in the file of --classes as in the source, or rename it there")
        }
        throw Failure(
            "\(unknown.count) of the \(names.count) classes of \(path) are not among the \(labels.count) given: "
                + unknown.prefix(3).map(\.text).joined(separator: ", "),
            hint: "add them to the file of --classes, or name the one that goes with this source")
    }

    /// The key of an item: `class/name`.
    package func key(of item: Item) -> String { classes[item.label] + "/" + item.name }

    /// CRC-32 over the classes and each image's label, name and, in an archive, size.
    private static func checksum(_ classes: [String], _ items: [Item]) -> UInt32 {
        var checksum = Checksum()
        func add(_ text: String) {
            var text = text + "\0"
            text.withUTF8 { checksum.update(UnsafeRawBufferPointer($0)) }
        }
        for name in classes { add(name) }
        for item in items {
            add("\(item.label) \(item.name)")
            if case .part(_, _, let size) = item.place { add(String(size)) }
        }
        return checksum.value
    }
}
