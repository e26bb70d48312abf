import Foundation

/// The output directory of a command: new or empty when the command starts.
package struct OutputDirectory: Sendable {
    package let path: String
    private let isCreated: Bool

    /// Creates the directory `path` and its parents, or accepts an empty one.
    ///
    /// Throws `Failure` if it cannot be created or written, is not a directory, is not empty (unless `isOwn` recognises the entries as the
    /// command's own unfinished work), or lies inside the input directory `source`.
    package init(_ path: String, outside source: String? = nil, isOwn: ([String]) -> Bool = { _ in false }) throws {
        let isCreated = try OutputDirectory.create(path)
        self.path = path
        self.isCreated = isCreated
        do {
            guard access(path, W_OK | X_OK) == 0 else { throw systemFailure("cannot write to \(path)") }
            guard let entries = try? FileManager.default.contentsOfDirectory(atPath: path) else {
                throw Failure("cannot read the directory \(path)", hint: "check its permissions, or choose a new one")
            }
            guard entries.isEmpty || isOwn(entries) else {
                throw Failure("\(path) is not empty", hint: "choose a new directory or remove what is in this one")
            }
            if let source, OutputDirectory.isDirectory(path, inside: source) {
                throw Failure(
                    "\(path) lies inside \(source), which is read", hint: "choose a directory outside of it")
            }
        } catch {
            remove()
            throw error
        }
    }

    package func file(_ name: String) -> String { path.appending(name: name) }

    /// Removes the directory if this command created it and it is empty.
    package func remove() {
        if isCreated { rmdir(path) }
    }

    private static func create(_ path: String) throws -> Bool {
        if mkdir(path, 0o777) == 0 { return true }
        let parent = path.parentPath
        if errno == ENOENT && !parent.isEmpty && parent != path {
            _ = try create(parent)
            guard mkdir(path, 0o777) == 0 else { throw systemFailure("cannot create \(path)") }
            return true
        }
        var status = stat()
        guard errno == EEXIST, stat(path, &status) == 0 else { throw systemFailure("cannot create \(path)") }
        guard status.st_mode & S_IFMT == S_IFDIR else {
            throw Failure("\(path) is not a directory", hint: "choose another name")
        }
        return false
    }

    private static func isDirectory(_ path: String, inside source: String) -> Bool {
        guard let inner = realpath(path, nil), let outer = realpath(source, nil) else { return false }
        defer {
            free(inner)
            free(outer)
        }
        return (String(cString: inner) + "/").hasPrefix(String(cString: outer) + "/")
    }
}

/// Creates the directory `path` and its parents if needed; what is new is on the disk when it returns, so that a power cut keeps it. Throws
/// `Failure` if that fails.
package func makeDirectory(_ path: String) throws {
    var status = stat()
    guard stat(path, &status) != 0 else {
        if status.st_mode & S_IFMT == S_IFDIR { return }
        throw Failure("\(path) is not a directory", hint: "choose another name")
    }
    let parent = path.parentPath
    if !parent.isEmpty && parent != path { try makeDirectory(parent) }
    guard mkdir(path, 0o777) == 0 || errno == EEXIST else { throw systemFailure("cannot create the directory \(path)") }
    try DurableFile.sync(parent)
}
