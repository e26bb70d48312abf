import Base
import Foundation

/// The images to shard, each with a class: a folder, an archive, or the files of a known data set. Nothing is unpacked: an
/// archive is listed once, and its members are read where they are.
package struct ShardSource: Sendable {
    /// How images are laid out in a source.
    package enum Kind: String, Codable, Sendable {
        /// <class>/<file> in a directory.
        case folder
        /// <class>/<file> in a tar archive, at any depth.
        case tar
        /// A tar archive of one tar archive a class.
        case imagenetTraining = "ilsvrc2012-train"
        /// A tar archive of images without directories, and a file with their labels.
        case imagenetValidation = "ilsvrc2012-val"
        /// The binary batches of CIFAR-10, in a directory or a tar archive.
        case cifar10
    }

    /// What else it may take to know the images of a source and their classes.
    package struct Selection: Sendable {
        /// The part of the source to take: a directory in it, or the beginning of the names of CIFAR-10's batches.
        package var within: String?
        /// The file with the labels of a `Kind.imagenetValidation`.
        package var labels: String?
        /// The file with the name of each number, for labels that are numbers.
        package var labelNames: String?
        /// The names of the classes in the order of the labels; by default those of the source, by their bytes.
        package var classes: [String]?

        /// A selection of all of a source whose classes are known from itself.
        package init(
            within: String? = nil, labels: String? = nil, labelNames: String? = nil, classes: [String]? = nil
        ) {
            self.within = within
            self.labels = labels
            self.labelNames = labelNames
            self.classes = classes
        }
    }

    /// One image of the source.
    package struct Item: Sendable {
        /// The position of its class in `classes`.
        package let label: Int
        /// Its name in the class.
        package let name: String
        let place: Place
    }

    /// Where an image's bytes are.
    enum Place: Sendable {
        /// In a file of its own, named by the image's key.
        case file
        /// In a part of a file of the source.
        case part(file: Int, offset: Int, size: Int)
    }

    /// The directory or file.
    package let path: String
    /// How images are laid out in it.
    package let kind: Kind
    /// The part that is taken; nil for all of it.
    package let within: String?
    /// The names of the classes.
    package let classes: [String]
    /// The images, by the names of their classes and in them by their own, whose bytes are compared.
    package let items: [Item]
    private let files: [SourceFile]

    /// Lists the images of the directory or archive `path`.
    ///
    /// Throws `Failure` when it is missing, unreadable or damaged, when it has no images, when its classes are not
    /// certain or not among those of the selection, or when images of several parts, such as training and test, would be mixed.
    package init(_ path: String, _ selection: Selection = Selection()) throws {
        let listing = try SourceListing(path, selection)
        self.path = listing.kind == .folder ? folderPath(path, selection) : path
        kind = listing.kind
        within = listing.kind == .folder ? nil : selection.within
        files = listing.files
        let names = listing.classes.sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }
        classes = try selection.classes.map { try ClassNames.checked($0, hold: names, of: path) } ?? names
        let labels = Dictionary(uniqueKeysWithValues: classes.enumerated().map { ($1, $0) })
        var items: [Item] = []
        items.reserveCapacity(listing.images.reduce(0) { $0 + $1.value.count })
        for name in names {
            let images = listing.images[name, default: []].sorted {
                $0.name.utf8.lexicographicallyPrecedes($1.name.utf8)
            }
            for image in images {
                guard items.last?.name != image.name || items.last?.label != labels[name] else {
                    throw Failure("\(path) has two images \(name)/\(image.name)", hint: "remove or rename one of them")
                }
                items.append(Item(label: labels[name] ?? 0, name: image.name, place: image.place))
            }
        }
        self.items = items
    }

    /// `class/name` of an item, the key under which it is stored.
    package func key(of item: Item) -> String { classes[item.label] + "/" + item.name }

    /// What the source is known by: see `ShardRecipe.Source`.
    var record: ShardRecipe.Source {
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
        return ShardRecipe.Source(kind: kind, within: within, images: items.count, checksum: checksum.value)
    }

    /// What the source holds for an item.
    ///
    /// Throws `Failure` when there is no such file any more, it may not be read or has more than 1 GiB, and `MachineFailure`
    /// when the file system fails or an archive was changed.
    func contents(of item: Item) throws -> ItemContents {
        switch item.place {
        case .file:
            return .file(try ownFile(path + "/" + key(of: item)))
        case .part(let file, let offset, let size):
            try demandReadable(size: size)
            do {
                let bytes = try files[file].bytes(size, at: offset)
                return kind == .cifar10 ? .planes(bytes) : .file(bytes)
            } catch let failure as Failure {
                throw MachineFailure(failure)
            }
        }
    }

    private func ownFile(_ file: String) throws -> [UInt8] {
        let descriptor = open(file, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else {
            let isOfTheFile = [ENOENT, EACCES, EPERM, ELOOP].contains(errno)
            throw isOfTheFile
                ? systemFailure("cannot open the file") : MachineFailure(systemFailure("cannot open \(file)"))
        }
        defer { close(descriptor) }
        func unreadable() -> MachineFailure { MachineFailure(systemFailure("cannot read \(file)")) }
        var status = stat()
        guard fstat(descriptor, &status) == 0 else { throw unreadable() }
        let size = Int(status.st_size)
        try demandReadable(size: size)
        return try [UInt8](unsafeUninitializedCapacity: size) { bytes, initialised in
            while initialised < size {
                let count = read(descriptor, bytes.baseAddress! + initialised, size - initialised)
                if count < 0 && errno == EINTR { continue }
                guard count >= 0 else { throw unreadable() }
                if count == 0 { break }
                initialised += count
            }
        }
    }

    private func demandReadable(size: Int) throws {
        guard size <= 1 << 30 else { throw Failure("the file has \(size) bytes", hint: "leave it out") }
    }
}

/// The directory with the classes of a folder `path`.
func folderPath(_ path: String, _ selection: ShardSource.Selection) -> String {
    selection.within.map { (path as NSString).appendingPathComponent($0) } ?? path
}
