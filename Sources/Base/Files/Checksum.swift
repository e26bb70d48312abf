import CZlib
import Foundation

/// CRC-32 as zlib, PNG and Python's `zlib.crc32` compute it: polynomial 0xEDB88320, initial value 0.
package struct Checksum: Equatable, Sendable {
    /// The checksum of the bytes seen so far.
    package private(set) var value: UInt32 = 0

    package init() {}

    package init(of bytes: UnsafeRawBufferPointer) {
        update(bytes)
    }

    package init(of bytes: [UInt8]) {
        bytes.withUnsafeBytes { update($0) }
    }

    package mutating func update(_ bytes: UnsafeRawBufferPointer) {
        guard let start = bytes.bindMemory(to: UInt8.self).baseAddress else { return }
        value = UInt32(truncatingIfNeeded: crc32_z(uLong(value), start, bytes.count))
    }
}

extension Checksum {
    /// The size and CRC-32 of the file at `path`. Throws `Failure` when it cannot be read.
    package static func ofFile(_ path: String) throws -> (bytes: Int, checksum: UInt32) {
        let file = try RegularFile(path)
        let piece = UnsafeMutableRawBufferPointer.allocate(byteCount: 1 << 20, alignment: 64)
        defer { piece.deallocate() }
        var checksum = Checksum()
        var bytes = 0
        while true {
            let count = try file.read(into: piece, at: bytes)
            if count == 0 { return (bytes, checksum.value) }
            checksum.update(UnsafeRawBufferPointer(rebasing: piece[..<count]))
            bytes += count
        }
    }
}
