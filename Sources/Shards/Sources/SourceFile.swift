import Base
import CArchive
import Foundation

/// A file of a source with random access from several threads: in place or, if it is compressed, decompressed in memory.
final class SourceFile: Sendable {
    /// The largest decompressed size of a compressed file; larger ones must be decompressed first.
    static let maximumDecompressedSize = 1 << 30

    let path: String
    /// Size after decompression.
    let size: Int
    private let file: RegularFile
    private let decompressed: [UInt8]?

    /// The bytes in memory; 0 if the file is read in place.
    var decompressedSize: Int { decompressed?.count ?? 0 }

    /// Throws `Failure` if the file cannot be read, is not a regular file, or is compressed and has more than `limit` bytes.
    init(_ path: String, limit: Int = maximumDecompressedSize) throws {
        let file = try RegularFile(path)
        decompressed = try SourceFile.decompress(file, limit: limit)
        size = decompressed?.count ?? file.byteCount
        self.path = path
        self.file = file
    }

    /// `contents` that were decompressed from a part of `file`.
    init(_ contents: [UInt8], from file: SourceFile) throws {
        path = file.path
        self.file = try RegularFile(file.path)
        decompressed = contents
        size = contents.count
    }

    /// `count` bytes from `offset`. Throws `Failure` if the file is shorter or cannot be read.
    func bytes(_ count: Int, at offset: Int) throws -> [UInt8] {
        try [UInt8](unsafeUninitializedCapacity: count) { bytes, initialised in
            initialised = try read(into: UnsafeMutableRawBufferPointer(bytes), at: offset)
            guard initialised == count else {
                throw Failure("\(path) ends before byte \(offset + count)", hint: "fetch the file again")
            }
        }
    }

    /// Reads from `offset` until `target` is full or the file ends; returns the number of bytes.
    func read(into target: UnsafeMutableRawBufferPointer, at offset: Int) throws -> Int {
        if let decompressed {
            let part = decompressed.dropFirst(offset).prefix(target.count)
            target.copyBytes(from: part)
            return part.count
        }
        return try file.read(into: target, at: offset)
    }

    /// The decompressed contents, nil if the file is not compressed.
    private static func decompress(_ file: borrowing RegularFile, limit: Int) throws -> [UInt8]? {
        let path = file.path
        let archive = archive_read_new()
        defer { archive_read_free(archive) }
        for support in [
            archive_read_support_filter_gzip, archive_read_support_filter_bzip2, archive_read_support_filter_xz,
            archive_read_support_filter_zstd, archive_read_support_format_raw, archive_read_support_format_empty,
        ] { _ = support(archive) }
        var entry: OpaquePointer?
        let isOpen = archive_read_open_fd(archive, file.descriptor, 1 << 16) == ARCHIVE_OK
        guard isOpen, archive_read_next_header(archive, &entry) == ARCHIVE_OK else { return nil }
        guard archive_filter_code(archive, 0) != ARCHIVE_FILTER_NONE else { return nil }
        var contents: [UInt8] = []
        var piece = [UInt8](repeating: 0, count: 1 << 20)
        while true {
            let count = archive_read_data(archive, &piece, piece.count)
            guard count >= 0 else {
                throw Failure(
                    "\(path) cannot be decompressed: \(archiveMessage(archive))", hint: "fetch the file again")
            }
            if count == 0 { return contents }
            guard contents.count + count <= limit else {
                throw Failure(
                    "\(path) is compressed and holds, with others before it, more than \(maximumDecompressedSize) bytes",
                    hint: "decompress it first: members of a large archive are read where they are")
            }
            contents += piece.prefix(count)
        }
    }
}

/// libarchive's last error message.
func archiveMessage(_ archive: OpaquePointer?) -> String {
    archive_error_string(archive).map { String(cString: $0) } ?? "no reason given"
}
