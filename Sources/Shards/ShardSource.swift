import Files
import Foundation
import Images

/// The images to shard.
///
/// A folder of images to shard: SOURCE/<class>/<file>.
///
/// Classes are the sub-directories in the order of their names' bytes; their images are the regular files in them in
/// the same order. Hidden entries, deeper directories and files beside the classes are left alone. What a file holds
/// is found out by opening it, not by its name.
public struct ShardSource: Sendable {
    /// How images are laid out in a source.
    public enum Kind: String, Codable, Sendable {
        /// <class>/<file> in a directory.
        case folder
    }

    /// One file of the source.
    public struct Item: Sendable {
        /// The position of its class in `classes`.
        public let label: Int
        /// The file's name in the class's directory.
        public let name: String
    }

    /// The directory.
    public let path: String
    /// The names of the classes.
    public let classes: [String]
    /// The files, by class.
    public let items: [Item]

    /// Lists the files of the directory `path`.
    ///
    /// Throws `Failure` when it is missing or unreadable or has no classes or no files in them.
    public init(_ path: String) throws {
        let classes = try entries(of: path).filter(\.isDirectory).map(\.name)
        guard !classes.isEmpty else {
            throw Failure(
                "\(path) has no class directories", hint: "put the images into one sub-directory for each class")
        }
        var items: [Item] = []
        for (label, name) in classes.enumerated() {
            for entry in try entries(of: path + "/" + name) where entry.isFile {
                items.append(Item(label: label, name: entry.name))
            }
        }
        guard !items.isEmpty else {
            throw Failure(
                "the \(classes.count) class directories of \(path) have no files", hint: "put the images into them")
        }
        self.path = path
        self.classes = classes
        self.items = items
    }

    /// `class/file` of an item, the key under which it is stored.
    public func key(of item: Item) -> String { classes[item.label] + "/" + item.name }

    /// What the source is known by: see `ShardRecipe.Source`.
    var record: ShardRecipe.Source {
        var checksum = Checksum()
        func add(_ text: String) {
            var text = text + "\0"
            text.withUTF8 { checksum.update(UnsafeRawBufferPointer($0)) }
        }
        for name in classes { add(name) }
        for item in items { add("\(item.label) \(key(of: item))") }
        return ShardRecipe.Source(kind: .folder, within: nil, images: items.count, checksum: checksum.value)
    }

    /// An item's image file. Throws `Failure` when it cannot be read or has more than 1 GiB.
    func contents(of item: Item) throws -> ItemContents { .file(try bytes(of: item)) }

    private func bytes(of item: Item) throws -> [UInt8] {
        let file = path + "/" + key(of: item)
        let descriptor = open(file, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw systemFailure("cannot open the file") }
        defer { close(descriptor) }
        var status = stat()
        guard fstat(descriptor, &status) == 0 else { throw systemFailure("cannot read the file") }
        let size = Int(status.st_size)
        guard size <= 1 << 30 else { throw Failure("the file has \(size) bytes", hint: "leave it out") }
        return try [UInt8](unsafeUninitializedCapacity: size) { bytes, initialised in
            while initialised < size {
                let count = read(descriptor, bytes.baseAddress! + initialised, size - initialised)
                if count < 0 && errno == EINTR { continue }
                guard count >= 0 else { throw systemFailure("cannot read the file") }
                if count == 0 { break }
                initialised += count
            }
        }
    }
}

/// What a source holds for an image.
enum ItemContents {
    /// An image file.
    case file([UInt8])

    /// The decoded image. Throws `Failure` when it cannot be decoded.
    func image() throws -> Image {
        switch self {
        case .file(let bytes): return try ImageDecoder.decode(bytes)
        }
    }

    /// The file, if it is a JPEG file.
    var jpegFile: [UInt8]? {
        switch self {
        case .file(let bytes): return bytes.starts(with: [0xFF, 0xD8, 0xFF]) ? bytes : nil
        }
    }
}

private struct Entry {
    let name: String
    let isDirectory: Bool
    let isFile: Bool
}

/// The entries of a directory that are not hidden, by the bytes of their names; links count as what they lead to.
private func entries(of path: String) throws -> [Entry] {
    guard let directory = opendir(path) else { throw systemFailure("cannot list \(path)") }
    defer { closedir(directory) }
    var entries: [Entry] = []
    while true {
        errno = 0
        guard let found = readdir(directory) else {
            guard errno == 0 else { throw systemFailure("cannot list \(path)") }
            break
        }
        let name = withUnsafeBytes(of: &found.pointee.d_name) {
            String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self)
        }
        if name.hasPrefix(".") { continue }
        var kind = UInt32(found.pointee.d_type)
        if kind == UInt32(DT_LNK) || kind == UInt32(DT_UNKNOWN) {
            var status = stat()
            if stat(path + "/" + name, &status) == 0 { kind = UInt32(status.st_mode & S_IFMT) >> 12 }
        }
        entries.append(
            Entry(name: name, isDirectory: kind == UInt32(DT_DIR), isFile: kind == UInt32(DT_REG)))
    }
    return entries.sorted { $0.name.utf8.lexicographicallyPrecedes($1.name.utf8) }
}
