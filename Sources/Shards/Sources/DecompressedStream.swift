import Base
import CArchive
import Foundation

/// The contents of a compressed file, decompressed from front to back. What was read last is kept, so that threads that read one image each
/// in the order of the file find theirs; whoever reads what is gone begins anew.
///
/// A class, since all threads share the place; `lock` guards it.
final class DecompressedStream: @unchecked Sendable {
    /// Bytes that are kept: more than the images that all jobs read at a time. Twice as many are there for a moment.
    private static let windowSize = 64 << 20

    private let path: String
    private let file: RegularFile
    private let lock = NSLock()
    private var archive: OpaquePointer?
    private var window: [UInt8] = []
    /// The place of the window in the contents.
    private var start = 0
    private var piece = [UInt8](repeating: 0, count: 1 << 20)

    /// Nil if the file `path` is not compressed. Throws `Failure` if it cannot be read.
    init?(_ path: String) throws {
        self.path = path
        file = try RegularFile(path)
        guard restart() else { return nil }
    }

    deinit { archive_read_free(archive) }

    /// All of it; nil if it has more than `limit` bytes. Throws `Failure` if it is damaged.
    func contents(limit: Int) throws -> [UInt8]? {
        _ = restart()
        var contents: [UInt8] = []
        while let count = try next() {
            guard contents.count + count <= limit else { return nil }
            contents += piece.prefix(count)
        }
        return contents
    }

    /// How many bytes it has. Throws `Failure` if it is damaged.
    func size() throws -> Int {
        _ = restart()
        var size = 0
        while let count = try next() { size += count }
        _ = restart()
        return size
    }

    /// Reads from `offset` until `target` is full or the contents end; returns the number of bytes.
    func read(into target: UnsafeMutableRawBufferPointer, at offset: Int) throws -> Int {
        try lock.withLock {
            if offset < start { _ = restart() }
            while start + window.count < offset + target.count, let count = try next() {
                window += piece.prefix(count)
                let unneeded = min(window.count - Self.windowSize, offset - start)
                if unneeded >= Self.windowSize {
                    window.removeFirst(unneeded)
                    start += unneeded
                }
            }
            let part = window.dropFirst(offset - start).prefix(target.count)
            target.copyBytes(from: part)
            return part.count
        }
    }

    /// Decompresses the next bytes into `piece`; nil at the end.
    private func next() throws -> Int? {
        let count = archive_read_data(archive, &piece, piece.count)
        guard count >= 0 else {
            throw Failure("\(path) cannot be decompressed: \(archiveMessage(archive))", hint: "fetch the file again")
        }
        return count == 0 ? nil : count
    }

    /// Begins anew; false if the file is not compressed.
    private func restart() -> Bool {
        archive_read_free(archive)
        archive = archive_read_new()
        (window, start) = ([], 0)
        for support in [
            archive_read_support_filter_gzip, archive_read_support_filter_bzip2, archive_read_support_filter_xz,
            archive_read_support_filter_zstd, archive_read_support_format_raw, archive_read_support_format_empty,
        ] { _ = support(archive) }
        var entry: OpaquePointer?
        lseek(file.descriptor, 0, SEEK_SET)
        let isOpen = archive_read_open_fd(archive, file.descriptor, 1 << 16) == ARCHIVE_OK
        guard isOpen, archive_read_next_header(archive, &entry) == ARCHIVE_OK else { return false }
        return archive_filter_code(archive, 0) != ARCHIVE_FILTER_NONE
    }
}
