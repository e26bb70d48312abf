import Foundation

/// Atomic files: written under a temporary name, synced, then renamed.
package enum DurableFile {
    /// Suffix of the temporary name. Such a file is left over from an interrupted process.
    package static let partialSuffix = ".partial"

    package static func partialPath(of path: String) -> String { path + partialSuffix }

    /// Writes `bytes` to `path`: temporary name, sync, rename, sync of the directory.
    ///
    /// Throws `Failure` with the system's reason; then the temporary file is removed, and an earlier file at `path` is unchanged.
    package static func write(_ bytes: [UInt8], to path: String) throws {
        try bytes.withUnsafeBytes { bytes in try write(to: path) { append in try append(bytes) } }
    }

    /// Writes what `body` appends, piece by piece, to `path` as `write(_:to:)` does.
    package static func write(
        to path: String, _ body: (_ append: (UnsafeRawBufferPointer) throws -> Void) throws -> Void
    ) throws {
        let partial = partialPath(of: path)
        let descriptor = open(partial, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o644)
        guard descriptor >= 0 else { throw systemFailure("cannot create \(path)") }
        do {
            try body { try writeAll($0, to: descriptor, path: path) }
            guard fsync(descriptor) == 0 else { throw systemFailure("cannot sync \(path)") }
        } catch {
            close(descriptor)
            unlink(partial)
            throw error
        }
        close(descriptor)
        do {
            try rename(partial, to: path)
        } catch {
            unlink(partial)
            throw error
        }
    }

    /// Syncs a file that another library wrote under its temporary name, and gives it its final name.
    package static func commit(partialOf path: String) throws {
        let partial = partialPath(of: path)
        try sync(partial)
        try rename(partial, to: path)
    }

    /// Renames `source` to `destination` atomically and durably.
    ///
    /// Throws `Failure` with the system's reason. If only syncing the directory fails, the file has its new name.
    package static func rename(_ source: String, to destination: String) throws {
        guard Foundation.rename(source, destination) == 0 else {
            throw systemFailure("cannot rename \(source) to \(destination)")
        }
        try sync((destination as NSString).deletingLastPathComponent)
    }

    /// Waits until the file or directory at `path` ("" is the current directory) is on the disk.
    package static func sync(_ path: String) throws {
        let descriptor = open(path.isEmpty ? "." : path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw systemFailure("cannot open \(path)") }
        defer { close(descriptor) }
        // Some network file systems cannot sync a directory; there a rename is durable by itself.
        guard fsync(descriptor) == 0 || errno == EINVAL else { throw systemFailure("cannot sync \(path)") }
    }

    private static func writeAll(_ bytes: UnsafeRawBufferPointer, to descriptor: Int32, path: String) throws {
        var offset = 0
        while offset < bytes.count {
            let written = Foundation.write(descriptor, bytes.baseAddress! + offset, bytes.count - offset)
            if written < 0 && errno == EINTR { continue }
            guard written > 0 else { throw systemFailure("cannot write \(path)") }
            offset += written
        }
    }
}

/// A failure whose reason is the system's text for `errno`, with a hint that fits it.
package func systemFailure(_ problem: String) -> Failure {
    let code = errno
    let hint =
        switch code {
        case ENOENT: "check the path"
        case EACCES, EPERM: "check the owner and the permissions"
        case EROFS: "the file system is read-only; choose another directory"
        case ENOSPC, EDQUOT: "free some space or choose another directory"
        case EMFILE, ENFILE: "raise the limit of open files (ulimit -n)"
        default: "check the path and the file system"
        }
    return Failure("\(problem): \(String(cString: strerror(code)))", hint: hint)
}
