import Base
import Foundation
import Images

/// The images of a source by class.
struct SourceListing {
    struct Image {
        let name: String
        let place: ShardSource.Place
    }

    /// The directory of the classes, or the directory or archive that holds all images.
    let path: String
    let kind: ShardSource.Kind
    var files: [SourceFile] = []
    /// By class, which may have none.
    var images: [String: [Image]] = [:]
}

extension SourceListing {
    /// Detects what is at `path` and lists it. Throws `Failure` as `ShardSource.init` does.
    init(_ path: String, _ selection: ShardSource.Selection) throws {
        var status = stat()
        guard stat(path, &status) == 0 else { throw systemFailure("cannot open \(path)") }
        if status.st_mode & S_IFMT != S_IFDIR {
            self = try SourceListing(tar: path, selection)
        } else if let batches = try SourceListing(cifar10: path, selection) {
            self = batches
        } else {
            let folder = selection.within.map { (path as NSString).appendingPathComponent($0) } ?? path
            self = try SourceListing(folder: folder)
        }
        guard selection.labels == nil || kind == .imagenetValidation else {
            throw Failure(
                "\(path) tells the classes of its images itself",
                hint: "leave --labels out; it is for an archive of images without directories")
        }
        guard images.contains(where: { !$0.value.isEmpty }) else {
            throw Failure("the \(images.count) classes of \(path) have no files", hint: "put the images into them")
        }
    }

    /// Classes are the sub-directories, images the regular files in them. Hidden entries, deeper directories and files next to the classes
    /// are ignored. The kind of a file is detected when it is opened, not by its name.
    private init(folder path: String) throws {
        self.init(path: path, kind: .folder)
        let classes = try names(in: path, of: Int(DT_DIR))
        guard !classes.isEmpty else {
            throw Failure(
                "\(path) has no class directories", hint: "put the images into one sub-directory for each class")
        }
        for name in classes {
            images[name] = try names(in: "\(path)/\(name)", of: Int(DT_REG)).map { Image(name: $0, place: .file) }
        }
    }
}

/// Names of the entries of a directory that are not hidden and of a kind: `DT_DIR` or `DT_REG`. Links are followed.
func names(in path: String, of wanted: Int) throws -> [String] {
    guard let directory = opendir(path) else { throw systemFailure("cannot list \(path)") }
    defer { closedir(directory) }
    var names: [String] = []
    while true {
        errno = 0
        guard let found = readdir(directory) else {
            guard errno == 0 else { throw systemFailure("cannot list \(path)") }
            return names
        }
        let name = withUnsafeBytes(of: &found.pointee.d_name) {
            String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self)
        }
        if name.hasPrefix(".") { continue }
        var kind = Int(found.pointee.d_type)
        if kind == DT_LNK || kind == DT_UNKNOWN {
            var status = stat()
            if stat(path + "/" + name, &status) == 0 { kind = Int(status.st_mode & S_IFMT) >> 12 }
        }
        if kind == wanted { names.append(name) }
    }
}
