import Base
import Foundation
import Images

/// The images of a source by class.
struct SourceListing {
    struct Image {
        let name: ExactName
        let place: ShardSource.Place
    }

    /// The directory of the classes, or the directory or archive that holds all images.
    let path: String
    let kind: ShardSource.Kind
    var files: [SourceFile] = []
    /// By class.
    var images: [ExactName: [Image]] = [:]
    /// Those without a class.
    var unlabelled: [Image] = []
    /// The classes in the order that the source itself gives them; nil for the order of their names.
    var order: [String]?
    var raw: RawPixels?
    var pages: ParquetPages?
    var passedOver = PassedOver()
    /// Names that a list has in another Unicode form.
    var respelled = UnicodeTwins()

    var imageCount: Int { images.reduce(unlabelled.count) { $0 + $1.value.count } }
}

extension SourceListing {
    init(path: String, kind: ShardSource.Kind, files: [SourceFile] = []) {
        self.path = path
        self.kind = kind
        self.files = files
    }

    /// Detects what is at `paths` and lists it. Throws `Failure` as `ShardSource.init` does.
    init(_ paths: [String], _ selection: ShardSource.Selection) throws {
        let paths = try paths.flatMap { try expandedBraces($0) }
        guard let path = paths.first else {
            throw Failure("no source is given", hint: "name a directory or an archive")
        }
        if paths.count > 1 {
            self = try SourceListing(files: paths, in: nil, selection)
        } else if try isDirectory(path) {
            self = try SourceListing(directory: path, selection)
        } else {
            self = try SourceListing(file: path, selection)
        }
        guard selection.labels == nil || [.imagenetValidation, .numpy, .idx].contains(kind) else {
            throw Failure(
                "\(path) tells the classes of its images itself",
                hint: "leave --labels out; it is for an array, or an archive of images without directories")
        }
        guard imageCount > 0 else {
            throw Failure(
                "\(path) has no images" + (passedOver.description.map { "; passed over: \($0)" } ?? ""),
                hint: "put the images into it, in one directory for each class if they have classes")
        }
    }

    private init(directory path: String, _ selection: ShardSource.Selection) throws {
        let entries = try DirectoryEntries(path)
        if let known = try SourceListing(cifar: path, entries.files, selection)
            ?? SourceListing(idx: path, entries.files, selection)
            ?? SourceListing(parquet: path, selection)
        {
            self = known
        } else if entries.directories.isEmpty, !entries.files.isEmpty,
            entries.files.allSatisfy({ $0.contains(".tar") || $0.hasSuffix(".tgz") })
        {
            let chosen = entries.files.sorted { ExactName($0) < ExactName($1) }.filter {
                ExactName($0).hasPrefix(selection.within ?? "")
            }
            self = try SourceListing(files: chosen.map { path.appending(name: $0) }, in: path, selection)
        } else {
            let folder = selection.within.map { path.appending(name: $0) } ?? path
            self.init(path: folder, kind: .folder)
            let (files, folders) = try filesOfTree(at: folder, passedOver: &passedOver)
            try add(tree: files, folders: folders, below: [], isChosen: selection.within != nil)
        }
    }

    /// Several files of one kind, those of the directory `path` or any: tar archives of samples, or tables.
    private init(files paths: [String], in path: String?, _ selection: ShardSource.Selection) throws {
        guard !paths.isEmpty else {
            throw Failure("\(path ?? "the source") has no files of that name", hint: "choose another --within")
        }
        if paths.allSatisfy({ $0.hasSuffix(".parquet") }) {
            self = try SourceListing(parquet: paths, in: path, selection)
        } else {
            self = try SourceListing(webDataset: paths, in: path, selection)
        }
    }

    /// One file, whose first bytes tell what it is.
    private init(file path: String, _ selection: ShardSource.Selection) throws {
        let file = try SourceFile(path, limit: selection.memoryLimit, mayStream: true)
        let start = try file.bytes(min(8, file.size), at: 0)
        switch start {
        case _ where start.starts(with: [0x50, 0x4B, 3, 4]) || start.starts(with: [0x50, 0x4B, 5, 6]):
            let (members, folders) = try listZip(file)
            self =
                !members.isEmpty && members.allSatisfy { $0.name.hasSuffix(".npy") }
                ? try SourceListing(npz: members, of: file, selection)
                : try SourceListing(zip: members, folders, of: file, selection)
        case _ where start.starts(with: NumPyHeader.magic): self = try SourceListing(npy: file, selection)
        case _ where start.starts(with: Array("PAR1".utf8)):
            self = try SourceListing(parquet: [path], in: nil, selection)
        case _ where start.starts(with: [0, 0, 8]): self = try SourceListing(idx: file, selection)
        default: self = try SourceListing(tar: file, selection)
        }
    }
}

func isDirectory(_ path: String) throws -> Bool {
    var status = stat()
    guard stat(path, &status) == 0 else { throw systemFailure("cannot open \(path)") }
    return status.st_mode & S_IFMT == S_IFDIR
}

/// The names that `path` stands for: `{0000..0123}` and `{a,b}` are replaced as a shell does, unless a file has that very name.
///
/// Throws `Failure` if they are more than 100,000.
func expandedBraces(_ path: String) throws -> [String] {
    let limit = 100_000
    guard access(path, F_OK) != 0, let open = path.firstIndex(of: "{"),
        let close = path[open...].firstIndex(of: "}")
    else { return [path] }
    let inner = path[path.index(after: open)..<close]
    let bounds = inner.split(separator: ".", omittingEmptySubsequences: true)
    var parts = inner.split(separator: ",", omittingEmptySubsequences: false).map { String($0) }
    if inner.contains(".."), bounds.count == 2, let first = Int(bounds[0]), let last = Int(bounds[1]), first >= 0 {
        guard first <= last, last - first < limit else {
            throw Failure("{\(inner)} in \(path) is not a range of up to \(limit) numbers", hint: "write {0000..0123}")
        }
        parts = (first...last).map { zeroPadded($0, to: bounds[0].count) }
    }
    var paths: [String] = []
    for part in parts {
        paths += try expandedBraces(path[..<open] + part + path[path.index(after: close)...])
        guard paths.count <= limit else {
            throw Failure("\(path) stands for more than \(limit) files", hint: "name a directory instead")
        }
    }
    return paths
}
