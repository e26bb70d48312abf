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
    let (contents, status) = try inflate(bytes, limit: size, wrapping, flush: Z_FINISH)
    guard status == Z_STREAM_END, contents.count == size else { throw damaged }
    return contents
}

/// The first bytes that `bytes`, the beginning of deflated ones, give when inflated: up to `limit`. Throws `Failure` if they are damaged.
func inflatedPrefix(_ bytes: [UInt8], limit: Int) throws -> [UInt8] {
    let (contents, status) = try inflate(bytes, limit: limit, .raw, flush: Z_SYNC_FLUSH)
    guard [Z_OK, Z_STREAM_END, Z_BUF_ERROR].contains(status) else {
        throw Failure("compressed bytes are damaged", hint: "fetch the archive again")
    }
    return contents
}

/// What one call of zlib makes of `bytes`, at most `limit` bytes, and what it says.
private func inflate(
    _ bytes: [UInt8], limit: Int, _ wrapping: Wrapping, flush: Int32
) throws -> (contents: [UInt8], status: Int32) {
    var stream = z_stream()
    guard inflateInit2_(&stream, wrapping.rawValue, ZLIB_VERSION, Int32(MemoryLayout<z_stream>.size)) == Z_OK else {
        throw MachineFailure(Failure("zlib cannot start", hint: "free some memory"))
    }
    defer { inflateEnd(&stream) }
    var (source, status) = (bytes, Z_OK)
    let contents = [UInt8](unsafeUninitializedCapacity: limit) { target, initialised in
        status = source.withUnsafeMutableBufferPointer { source in
            stream.next_in = source.baseAddress
            stream.avail_in = UInt32(clamping: source.count)
            stream.next_out = target.baseAddress
            stream.avail_out = UInt32(clamping: limit)
            return CZlib.inflate(&stream, flush)
        }
        initialised = Int(stream.total_out)
    }
    return (contents, status)
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
