import Base
import CArchive
import CZlib

/// The wrapping of deflated bytes, as zlib's `windowBits`.
enum Wrapping: Int32 {
    case raw = -15
    case gzip = 31
}

/// The `size` bytes that `bytes` are when inflated. Throws `Failure` if they are damaged or of another size.
func inflated(_ bytes: [UInt8], size: Int, _ wrapping: Wrapping) throws -> [UInt8] {
    let damaged = Failure("compressed bytes are damaged", hint: "fetch the file again")
    // Deflate makes at most 1,032 bytes of one, so memory follows the bytes that are there.
    guard size / 1032 <= bytes.count else { throw damaged }
    var stream = z_stream()
    guard inflateInit2_(&stream, wrapping.rawValue, ZLIB_VERSION, Int32(MemoryLayout<z_stream>.size)) == Z_OK else {
        throw MachineFailure(Failure("zlib cannot start", hint: "free some memory"))
    }
    defer { inflateEnd(&stream) }
    var source = bytes
    return try [UInt8](unsafeUninitializedCapacity: size) { target, initialised in
        let status = source.withUnsafeMutableBufferPointer { source in
            stream.next_in = source.baseAddress
            stream.avail_in = UInt32(clamping: source.count)
            stream.next_out = target.baseAddress
            stream.avail_out = UInt32(clamping: size)
            return inflate(&stream, Z_FINISH)
        }
        guard status == Z_STREAM_END, stream.total_out == size else { throw damaged }
        initialised = size
    }
}

/// The `size` bytes that `bytes`, compressed by zstd, are. Through libarchive, which the archives need anyway. Throws `Failure` if they
/// are damaged or of another size; memory follows what comes out, since one byte can be very many.
func decompressedZstd(_ bytes: [UInt8], size: Int) throws -> [UInt8] {
    let archive = archive_read_new()
    defer { archive_read_free(archive) }
    archive_read_support_filter_zstd(archive)
    archive_read_support_format_raw(archive)
    archive_read_support_format_empty(archive)
    return try bytes.withUnsafeBytes { source in
        var entry: OpaquePointer?
        guard archive_read_open_memory(archive, source.baseAddress, source.count) == ARCHIVE_OK,
            archive_read_next_header(archive, &entry) == ARCHIVE_OK
        else { throw Failure("compressed bytes are damaged", hint: "fetch the file again") }
        var contents: [UInt8] = []
        var piece = [UInt8](repeating: 0, count: 1 << 18)
        while true {
            let count = archive_read_data(archive, &piece, piece.count)
            guard count >= 0, contents.count + count <= size, count > 0 || contents.count == size else {
                throw Failure("compressed bytes are damaged", hint: "fetch the file again")
            }
            if count == 0 { return contents }
            contents += piece.prefix(count)
        }
    }
}
