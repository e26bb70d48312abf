import Base
import Foundation
import Images

// The beginnings of images in a source. Of an image in a file of its own, or in an archive that does not compress, only the bytes that its
// header needs are read; a page of a table is read as a whole.

extension ShardSource {
    /// The bytes of an item, for reading its header.
    ///
    /// Throws `Failure` if it is gone, damaged or larger than 1 GiB, and `MachineFailure` if the file system fails.
    func header(of item: Item) throws -> HeaderBytes {
        switch item.place {
        case .file: return try ownHeader(ownName(of: item))
        case .part(let file, let offset, let size):
            try requireReadable(size: size)
            let source = files[file]
            return HeaderBytes(byteCount: size, first: []) { place, count in
                try blamingMachine { try source.bytes(count, at: offset + place) }
            }
        case .zipped(let file, let header, let stored, let size, _):
            try requireReadable(size: max(stored, size))
            let first = try blamingMachine {
                try ZipMember.stored(in: files[file], header: header, count: min(stored, Self.zippedPrefix))
            }
            let start = first.method == 0 ? first.bytes : try inflatedPrefix(first.bytes, limit: min(size, 1 << 18))
            // All of it seldom, if what comes before the header is too large; then once for all pieces.
            var whole: [UInt8]?
            return HeaderBytes(byteCount: size, first: start) { place, count in
                let contents = try whole ?? contents(of: item)
                whole = contents
                return Array(contents.dropFirst(place).prefix(count))
            }
        case .cell: return HeaderBytes(try contents(of: item))
        }
    }

    /// Bytes of a member of a zip archive that are read first.
    private static let zippedPrefix = 16 << 10

    private func ownHeader(_ inner: String) throws -> HeaderBytes {
        let (descriptor, size) = try openOwnFile(inner)
        let file = OpenedFile(descriptor: descriptor, path: path + "/" + inner)
        return HeaderBytes(byteCount: size, first: []) { place, count in
            try blamingMachine { try file.bytes(count, at: place) }
        }
    }
}

/// A descriptor that is closed when nobody needs it any more. A class for that alone.
private final class OpenedFile {
    private let descriptor: Int32
    private let path: String

    init(descriptor: Int32, path: String) { (self.descriptor, self.path) = (descriptor, path) }

    deinit { close(descriptor) }

    func bytes(_ count: Int, at offset: Int) throws -> [UInt8] {
        try [UInt8](unsafeUninitializedCapacity: count) { bytes, initialised in
            initialised = try readBytes(
                into: UnsafeMutableRawBufferPointer(bytes), from: descriptor, at: offset, path: path)
        }
    }
}
