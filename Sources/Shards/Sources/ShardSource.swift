import Base
import Foundation
import Images

/// The images to shard, with or without a class each: a folder, archives, or the files of a data set as it is published. Nothing is
/// unpacked: files are listed once, and images are read where they lie.
package struct ShardSource: Sendable {
    package struct Item: Sendable {
        /// Index into `classes`; -1 for none.
        package let label: Int
        /// Its name in the class.
        package let name: String
        let place: Place
    }

    enum Place: Sendable {
        /// In a file of its own: its name in the directory of its class.
        case file
        /// In a part of a file of the source.
        case part(file: Int, offset: Int, size: Int)
        /// In a zip archive: the place of its header, its bytes there and when inflated, and their CRC-32.
        case zipped(file: Int, header: Int, stored: Int, size: Int, checksum: UInt32)
        /// A row of a page of a Parquet file.
        case cell(page: Int, row: Int)

        /// In an archive.
        var offset: Int {
            switch self {
            case .part(_, let offset, _), .zipped(_, let offset, _, _, _): offset
            case .file, .cell: 0
            }
        }
    }

    package let path: String
    package let kind: Kind
    /// Nil for all of it.
    package let within: String?
    /// Empty if the images have no labels.
    package let classes: [String]
    /// Sorted by class name, then by name, as bytes; those without a class come last. In the archive's order if it is streamed.
    package let items: [Item]
    /// Classes, and images of one class, whose names differ only in their Unicode form. They are kept apart.
    package let unicodeTwins: UnicodeTwins
    /// Classes and files that `--classes` or `--labels` has in another Unicode form only, with that form.
    package let respelled: UnicodeTwins
    /// The directory of each class in a folder; in one form with `classes` except for those that are `respelled`.
    let folders: [String]
    /// What of the source is not taken.
    package let passedOver: PassedOver
    /// Identifies the source; see `ShardRecipe.Source`.
    let record: ShardRecipe.Source
    let files: [SourceFile]
    /// How values lie in images that are no files of their own; nil for image files.
    let raw: RawPixels?
    let pages: ParquetPages?

    /// Lists the images of the directory or archive `path`; see `init(_:_:)`.
    package init(_ path: String, _ selection: Selection = Selection()) throws { try self.init([path], selection) }

    /// Lists the images of a directory, an archive, or several files of one kind.
    ///
    /// Throws `Failure` if one is missing, unreadable or corrupt, there are no images, or uncertain classes or classes outside of the
    /// selection, or several parts would be mixed, such as training and test.
    package init(_ paths: [String], _ selection: Selection = Selection()) throws {
        let listing = try SourceListing(paths, selection)
        path = listing.path
        kind = listing.kind
        within = listing.kind == .folder ? nil : selection.within
        files = listing.files
        raw = listing.raw
        pages = listing.pages
        passedOver = listing.passedOver
        let names = listing.images.keys.sorted()
        classes = selection.classes ?? listing.order ?? names.map(\.text)
        var respelled = listing.respelled
        let labels = try ShardSource.labels(of: names, among: classes, path: path, &respelled)
        self.respelled = respelled
        var folders = classes
        for name in names { if let label = labels[name] { folders[label] = name.text } }
        self.folders = folders
        var twins = UnicodeTwins()
        twins.add(names)
        var items: [Item] = []
        items.reserveCapacity(listing.imageCount)
        for name in names {
            items += try ShardSource.items(of: listing.images[name, default: []], name, labels[name] ?? 0, path, &twins)
        }
        items += try ShardSource.items(of: listing.unlabelled, nil, -1, path, &twins)
        // Going back in a stream is reading it anew.
        if listing.files.contains(where: \.isStreamed) { items.sort { $0.place.offset < $1.place.offset } }
        self.items = items
        unicodeTwins = twins
        record = ShardRecipe.Source(
            kind: kind, within: within, images: items.count, checksum: ShardSource.checksum(classes, items))
    }

    /// The items of one class, sorted. Throws `Failure` if two have the same name.
    private static func items(
        of images: [SourceListing.Image], _ name: ExactName?, _ label: Int, _ path: String, _ twins: inout UnicodeTwins
    ) throws -> [Item] {
        let sorted = images.sorted { $0.name < $1.name }
        twins.add(sorted.map(\.name))
        return try sorted.enumerated().map { number, image in
            guard number == 0 || sorted[number - 1].name != image.name else {
                let key = (name.map { $0.text + "/" } ?? "") + image.name.text
                throw Failure("\(path) has two images \(key)", hint: "remove or rename one of them")
            }
            return Item(label: label, name: image.name.text, place: image.place)
        }
    }

    /// The label of each of the classes `names`: its place in the list `classes`, which may have it in another Unicode form; those are added
    /// to `respelled`. Throws `Failure` if one has none, or if it is uncertain which of two forms is meant.
    private static func labels(
        of names: [ExactName], among classes: [String], path: String, _ respelled: inout UnicodeTwins
    ) throws -> [ExactName: Int] {
        let given = NamedValues(classes.enumerated().map { (ExactName($1), $0) })
        let own = NamedValues(names.map { ($0, ()) })
        var labels: [ExactName: Int] = [:]
        var unknown: [ExactName] = []
        for name in names {
            let twins = given[name] == nil ? given.twins(of: name) : []
            guard twins.isEmpty || (twins.count == 1 && own.twins(of: name).isEmpty) else {
                throw Failure(
                    "the class \(name.ascii) of \(path) and the class \(twins[0].ascii) given differ only in their Unicode form",
                    hint: "write it in the file of --classes as in the source, or rename it there")
            }
            labels[name] = given[twins.first ?? name]
            if let twin = twins.first { respelled.add(name, takenFor: twin) }
            if labels[name] == nil { unknown.append(name) }
        }
        guard !unknown.isEmpty else { return labels }
        throw Failure(
            "\(unknown.count) of the \(names.count) classes of \(path) are not among the \(classes.count) given: "
                + unknown.prefix(3).map(\.text).joined(separator: ", "),
            hint: "add them to the file of --classes, or name the one that goes with this source")
    }

    /// The key of an item: `class/name`, or `name` if it has no class.
    package func key(of item: Item) -> String { item.label < 0 ? item.name : classes[item.label] + "/" + item.name }

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
            switch item.place {
            case .part(_, _, let size), .zipped(_, _, _, let size, _): add(String(size))
            case .file, .cell: break
            }
        }
        return checksum.value
    }
}
