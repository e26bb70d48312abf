import Base
import Foundation

/// An open shard file with random access, closed with its owner.
struct ShardFile: ~Copyable {
    let path: String
    private let descriptor: Int32

    /// Opens the regular file `path` of `bytes` bytes. Throws `Failure` if it is not that, `MachineFailure` if that cannot be determined.
    init(path: String, bytes: Int) throws {
        // Non-blocking, in case the path is not a regular file; regular files ignore it.
        let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
        guard descriptor >= 0 else {
            if [EMFILE, ENFILE, ENOMEM].contains(errno) {
                throw MachineFailure(systemFailure("cannot open \(path)"))
            }
            if errno == ENOENT { throw Failure("\(path) is missing", hint: restoreHint) }
            throw systemFailure("cannot open \(path)")
        }
        var status = stat()
        guard fstat(descriptor, &status) == 0, status.st_mode & S_IFMT == S_IFREG, Int(status.st_size) == bytes else {
            close(descriptor)
            throw Failure("\(path) has \(status.st_size) bytes and should have \(bytes)", hint: restoreHint)
        }
        self.path = path
        self.descriptor = descriptor
    }

    deinit { close(descriptor) }

    /// Reads `count` bytes from `offset` into `target`. Throws `Failure` if the file is shorter or cannot be read.
    borrowing func read(_ count: Int, at offset: Int, into target: UnsafeMutableRawPointer) throws {
        let bytes = UnsafeMutableRawBufferPointer(start: target, count: count)
        guard try readBytes(into: bytes, from: descriptor, at: offset, path: path) == count else {
            throw Failure("\(path) ends early", hint: restoreHint)
        }
    }

    /// CRC-32 of the bytes of `ranges`, in order.
    borrowing func checksum(of ranges: [Range<Int>]) throws -> UInt32 {
        let piece = UnsafeMutableRawBufferPointer.allocate(byteCount: 1 << 18, alignment: 64)
        defer { piece.deallocate() }
        var checksum = Checksum()
        for range in ranges {
            for start in stride(from: range.lowerBound, to: range.upperBound, by: piece.count) {
                let count = min(piece.count, range.upperBound - start)
                try read(count, at: start, into: piece.baseAddress!)
                checksum.update(UnsafeRawBufferPointer(rebasing: piece[..<count]))
            }
        }
        return checksum.value
    }
}
