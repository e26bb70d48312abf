import Base
import Foundation

/// An open shard file, read at any place; closed when its owner goes.
struct ShardFile: ~Copyable {
    let path: String
    private let descriptor: Int32

    /// Opens the regular file `path` of `bytes` bytes. Throws `Failure` when it is not that, `MachineFailure` when
    /// it cannot be said.
    init(path: String, bytes: Int) throws {
        // Without waiting for anybody, whatever the name stands for; a regular file does not care.
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

    /// Reads the `count` bytes from `offset` on to `target`. Throws `Failure` when the file ends before or cannot be read.
    borrowing func read(_ count: Int, at offset: Int, into target: UnsafeMutableRawPointer) throws {
        let bytes = UnsafeMutableRawBufferPointer(start: target, count: count)
        guard try readBytes(into: bytes, from: descriptor, at: offset, path: path) == count else {
            throw Failure("\(path) ends early", hint: restoreHint)
        }
    }

    /// CRC-32 of the bytes of `ranges`, one after the other.
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
