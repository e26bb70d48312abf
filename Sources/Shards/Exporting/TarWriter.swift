import Base
import CArchive
import Foundation

/// Writes a tar archive of files without owner and time, so that its bytes are a function of names and contents.
struct TarWriter: ~Copyable {
    private let path: String
    private let archive: OpaquePointer?
    /// Bytes of the archive so far, about.
    private(set) var byteCount = 0

    /// Starts the archive `path`, which must not exist. Throws `Failure` if it cannot be created.
    init(_ path: String) throws {
        self.path = path
        archive = archive_write_new()
        archive_write_set_format_pax_restricted(archive)
        archive_write_add_filter_none(archive)
        guard archive_write_open_filename(archive, path) == ARCHIVE_OK else { throw failure }
    }

    deinit { archive_write_free(archive) }

    /// Bytes that a file of `count` bytes takes in an archive.
    static func bytes(of count: Int) -> Int { 512 + (count + 511) / 512 * 512 }

    /// Appends a file; `name` is ASCII. Throws `Failure` if it cannot be written.
    mutating func add(_ name: String, _ contents: [UInt8]) throws {
        let entry = archive_entry_new()
        defer { archive_entry_free(entry) }
        archive_entry_set_pathname(entry, name)
        archive_entry_set_size(entry, la_int64_t(contents.count))
        archive_entry_set_filetype(entry, 0o100000)
        archive_entry_set_perm(entry, 0o644)
        archive_entry_set_mtime(entry, 0, 0)
        guard archive_write_header(archive, entry) == ARCHIVE_OK,
            archive_write_data(archive, contents, contents.count) == contents.count
        else { throw failure }
        byteCount += Self.bytes(of: contents.count)
    }

    /// Completes the archive. Throws `Failure` if it cannot be written.
    consuming func finish() throws {
        guard archive_write_close(archive) == ARCHIVE_OK else { throw failure }
    }

    private var failure: Failure {
        Failure("cannot write \(path): \(archiveMessage(archive))", hint: "free some space or choose another directory")
    }
}
