import CSystem
import Foundation

/// Atomic files: written under a temporary name, synced, then renamed.
///
/// Temporary names are random, and files are created exclusively without following links, so that neither another process nor a
/// planted link is in the way.
package enum DurableFile {
    /// Suffix of a temporary name. Such a file is in progress, or left over from an interrupted process.
    package static let partialSuffix = ".partial"

    /// A new temporary name for `path`: `PATH.RANDOM.partial`.
    package static func newPartialPath(of path: String) -> String {
        path + String(format: ".%08x", UInt32.random(in: 0...(.max))) + partialSuffix
    }

    /// Whether `name` is a temporary name for a file that starts with `prefix`.
    package static func isPartial(_ name: String, of prefix: String = "") -> Bool {
        name.hasPrefix(prefix) && name.hasSuffix(partialSuffix)
    }

    /// Removes temporary files and directories for `prefix` in `directory` that were last changed more than `seconds` ago. What cannot
    /// be removed stays: it is in nobody's way.
    package static func removePartials(of prefix: String = "", in directory: String, olderThan seconds: Double) {
        let names = (try? FileManager.default.contentsOfDirectory(atPath: directory)) ?? []
        for name in names where isPartial(name, of: prefix) {
            let path = directory.appending(name: name)
            var status = stat()
            guard lstat(path, &status) == 0, Double(time(nil) - status.st_mtim.tv_sec) >= seconds else { continue }
            try? FileManager.default.removeItem(atPath: path)
        }
    }

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
        try requireReplaceable(path)
        let partial = newPartialPath(of: path)
        let descriptor = open(partial, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0o666)
        guard descriptor >= 0 else { throw systemFailure("cannot create \(path)") }
        do {
            try body { try writeAll($0, to: descriptor, path: path) }
            guard fsync(descriptor) == 0 else { throw systemFailure("cannot sync \(path)") }
            WorkDone.add()
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

    /// Syncs the file `partial`, which another library wrote under a temporary name, and gives it the name `path`.
    package static func commit(_ partial: String, to path: String) throws {
        try sync(partial)
        try rename(partial, to: path)
    }

    /// Gives the directory `source` the name `destination`, durably. A directory that has the name is removed afterwards, so that at any
    /// moment one of them has it.
    ///
    /// Throws `Failure` with the system's reason; then both have their names, or only syncing has failed, as in `rename`.
    package static func replace(_ destination: String, by source: String) throws {
        var status = stat()
        guard lstat(destination, &status) == 0 else { return try rename(source, to: destination) }
        let old: String
        if crate_exchange_names(source, destination) == 0 {
            old = source
            try sync(destination.parentPath)
        } else {
            // A file system without exchange: for a moment the name is free, and both directories are complete.
            old = newPartialPath(of: destination)
            guard Foundation.rename(destination, old) == 0 else {
                throw systemFailure("cannot rename \(destination) to \(old)")
            }
            do {
                try rename(source, to: destination)
            } catch {
                _ = Foundation.rename(old, destination)
                throw error
            }
        }
        try? FileManager.default.removeItem(atPath: old)
    }

    /// Refuses to replace anything but a file: a device or a FIFO would be lost by the rename.
    package static func requireReplaceable(_ path: String) throws {
        var status = stat()
        guard stat(path, &status) == 0, ![S_IFREG, S_IFDIR].contains(status.st_mode & S_IFMT) else { return }
        throw Failure("\(path) is not a regular file", hint: "choose another name for the output")
    }

    /// Renames `source` to `destination` atomically and durably.
    ///
    /// Throws `Failure` with the system's reason. If only syncing the directory fails, the file has its new name.
    package static func rename(_ source: String, to destination: String) throws {
        guard Foundation.rename(source, destination) == 0 else {
            throw systemFailure("cannot rename \(source) to \(destination)")
        }
        try sync(destination.parentPath)
    }

    /// Waits until the file or directory at `path` ("" is the current directory) is on the disk.
    package static func sync(_ path: String) throws {
        let descriptor = open(path.isEmpty ? "." : path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw systemFailure("cannot open \(path)") }
        defer { close(descriptor) }
        // Some network file systems cannot sync a directory; there a rename is durable by itself.
        guard fsync(descriptor) == 0 || errno == EINVAL else { throw systemFailure("cannot sync \(path)") }
        WorkDone.add()
    }

    /// Waits until all files on the file system of the file or directory at `path` are on the disk: of many new files, this is faster than to
    /// sync each.
    package static func syncFileSystem(of path: String) throws {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw systemFailure("cannot open \(path)") }
        defer { close(descriptor) }
        guard crate_sync_file_system(descriptor) == 0 else { throw systemFailure("cannot sync \(path)") }
        WorkDone.add()
    }

    private static func writeAll(_ bytes: UnsafeRawBufferPointer, to descriptor: Int32, path: String) throws {
        var offset = 0
        while offset < bytes.count {
            let written = Foundation.write(descriptor, bytes.baseAddress! + offset, bytes.count - offset)
            if written < 0 && errno == EINTR { continue }
            guard written > 0 else { throw systemFailure("cannot write \(path)") }
            offset += written
            WorkDone.add()
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
