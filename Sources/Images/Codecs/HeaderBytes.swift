import Base

/// The bytes of an image file, read in pieces of 4 KiB where its header has them: a header may be far behind the start, or at the end.
package struct HeaderBytes {
    /// Bytes that are read at a time.
    package static let pieceSize = 4096
    /// The most pieces that are read for one header: large profiles and previews in front of it are stepped over, not read.
    private static let pieceLimit = 1024

    /// Size of the file.
    package let byteCount: Int
    var isBigEndian = false
    /// Bytes of the file from an offset.
    package let read: (_ offset: Int, _ count: Int) throws -> [UInt8]
    private var piece: [UInt8]
    private var start = 0
    private var pieceCount = 0

    /// A file of `byteCount` bytes that begins with `first`; `read` returns bytes of it, of which it is asked for no more than there are.
    package init(
        byteCount: Int, first: [UInt8], read: @escaping (_ offset: Int, _ count: Int) throws -> [UInt8]
    ) {
        self.byteCount = byteCount
        self.read = read
        piece = first
    }

    /// `bytes` as a whole file.
    package init(_ bytes: [UInt8]) { self.init(byteCount: bytes.count, first: bytes) { _, _ in [] } }

    /// The byte at `offset`. Throws `ImageFacts.Problem` if the file has none there, and what reading throws.
    mutating func byte(at offset: Int) throws -> UInt8 {
        if offset < start || offset >= start + piece.count { try move(to: offset, count: 1) }
        return piece[offset - start]
    }

    /// The unsigned number of `count` bytes (1...8) at `offset`; one beyond Int's is Int.max. Throws as `byte(at:)` does.
    mutating func number(_ count: Int, at offset: Int) throws -> Int {
        let bytes = try self.bytes(count, at: offset)
        let ordered = isBigEndian ? bytes : bytes.reversed()
        return Int(clamping: ordered.reduce(UInt64(0)) { $0 << 8 | UInt64($1) })
    }

    /// The `count` bytes (at most `pieceSize`) at `offset`. Throws as `byte(at:)` does.
    mutating func bytes(_ count: Int, at offset: Int) throws -> [UInt8] {
        guard offset >= 0, offset <= byteCount, count <= byteCount - offset else { throw ImageFacts.Problem.endsEarly }
        if offset < start || offset + count > start + piece.count { try move(to: offset, count: count) }
        return Array(piece[offset - start..<offset - start + count])
    }

    /// The first `count` bytes (at most `pieceSize`), or as many as there are.
    ///
    /// Throws what reading throws.
    package mutating func prefix(_ count: Int = pieceSize) throws -> [UInt8] { try bytes(min(count, byteCount), at: 0) }

    private mutating func move(to offset: Int, count: Int) throws {
        guard offset >= 0, offset < byteCount, count <= byteCount - offset else { throw ImageFacts.Problem.endsEarly }
        guard pieceCount < Self.pieceLimit else { throw ImageFacts.Problem.damaged }
        pieceCount += 1
        let read = try self.read(offset, min(Self.pieceSize, byteCount - offset))
        guard read.count >= count else { throw ImageFacts.Problem.endsEarly }
        (piece, start) = (read, offset)
    }
}
