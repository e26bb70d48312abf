import Foundation

/// A regular file that is open for reading, closed with its owner. A FIFO, a device or a socket in its place is refused without waiting
/// for it.
package struct RegularFile: ~Copyable {
    package let path: String
    package let descriptor: Int32
    /// Size when it was opened.
    package let byteCount: Int

    /// Throws `Failure` with the system's reason, or if `path` is another kind of file; `MachineFailure` if descriptors or memory have
    /// run out, which says nothing about the file.
    package init(_ path: String) throws {
        // Without O_NONBLOCK, opening a FIFO waits for its writer; regular files ignore it.
        let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
        guard descriptor >= 0 else {
            let code = errno
            let failure = systemFailure("cannot open \(path)")
            if [EMFILE, ENFILE, ENOMEM].contains(code) { throw MachineFailure(failure) }
            throw failure
        }
        var status = stat()
        guard fstat(descriptor, &status) == 0 else {
            let failure = systemFailure("cannot read \(path)")
            close(descriptor)
            throw failure
        }
        guard status.st_mode & S_IFMT == S_IFREG else {
            close(descriptor)
            throw Failure("\(path) is not a regular file", hint: "put a file in its place")
        }
        self.path = path
        self.descriptor = descriptor
        byteCount = Int(status.st_size)
    }

    deinit { close(descriptor) }

    /// Reads from byte `offset` until `target` is full or the file ends; returns the number of bytes.
    package borrowing func read(into target: UnsafeMutableRawBufferPointer, at offset: Int) throws -> Int {
        try readBytes(into: target, from: descriptor, at: offset, path: path)
    }

    /// All bytes of the file `path`, whose size must be at most `limit`. Throws as `init` does.
    package static func contents(of path: String, limit: Int = 64 << 20) throws -> [UInt8] {
        let file = try RegularFile(path)
        guard file.byteCount <= limit else {
            throw Failure(
                "\(path) has \(file.byteCount) bytes, more than the \(limit) that such a file can have",
                hint: "check that it is the right file")
        }
        return try [UInt8](unsafeUninitializedCapacity: file.byteCount) { bytes, initialised in
            initialised = try file.read(into: UnsafeMutableRawBufferPointer(bytes), at: 0)
        }
    }
}
