import Base
import CArchive
import Foundation

/// A file of a source with random access from several threads: in place or, if it is compressed, decompressed in memory, or as a stream if
/// that takes too much.
final class SourceFile: Sendable {
    /// The most bytes that compressed files of a source take in memory.
    static let maximumDecompressedSize = 1 << 30

    private enum Form: Sendable {
        case inPlace
        case inMemory([UInt8])
        case streamed(DecompressedStream)
    }

    let path: String
    /// Size after decompression.
    let size: Int
    private let file: RegularFile
    private let form: Form

    /// The bytes in memory; 0 if the file is read in place.
    var decompressedSize: Int { if case .inMemory(let bytes) = form { bytes.count } else { 0 } }

    /// Whether it should be read from front to back.
    var isStreamed: Bool { if case .streamed = form { true } else { false } }

    /// Throws `Failure` if the file cannot be read, is not a regular file, or is compressed, has more than `limit` bytes and may not be
    /// streamed.
    init(_ path: String, limit: Int = maximumDecompressedSize, mayStream: Bool = false) throws {
        let file = try RegularFile(path)
        if let stream = try DecompressedStream(path) {
            if let contents = try stream.contents(limit: limit) {
                (form, size) = (.inMemory(contents), contents.count)
            } else {
                guard mayStream else {
                    throw Failure(
                        "\(path) is compressed and holds, with others before it, more than \(limit) bytes",
                        hint: "decompress it first")
                }
                (form, size) = (.streamed(stream), try stream.size())
            }
        } else {
            (form, size) = (.inPlace, file.byteCount)
        }
        self.path = path
        self.file = file
    }

    /// `contents` that were decompressed from a part of `file`.
    init(_ contents: [UInt8], from file: SourceFile) throws {
        path = file.path
        self.file = try RegularFile(file.path)
        form = .inMemory(contents)
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
        switch form {
        case .inPlace: return try file.read(into: target, at: offset)
        case .inMemory(let bytes):
            let part = bytes.dropFirst(offset).prefix(target.count)
            target.copyBytes(from: part)
            return part.count
        case .streamed(let stream): return try stream.read(into: target, at: offset)
        }
    }
}

/// libarchive's last error message.
func archiveMessage(_ archive: OpaquePointer?) -> String {
    archive_error_string(archive).map { String(cString: $0) } ?? "no reason given"
}
