import Base

/// A file in a zip archive.
struct ZipMember: Sendable {
    /// Components of its path, without "." and empty ones.
    let path: [ExactName]
    /// The place of its header, its bytes in the archive and when inflated, and their CRC-32.
    let header: Int
    let stored: Int
    let size: Int
    let checksum: UInt32

    /// The last component.
    var name: ExactName { path.last ?? ExactName("") }

    /// The `count` stored bytes behind the header at `header`, and how they are stored.
    static func stored(in file: SourceFile, header: Int, count: Int) throws -> (bytes: [UInt8], method: Int) {
        let fields = LittleEndian(try file.bytes(30, at: header))
        guard fields.number(4, at: 0) == 0x0403_4B50 else {
            throw Failure("\(file.path) has no member at byte \(header)", hint: "fetch the archive again")
        }
        let start = header + 30 + fields.number(2, at: 26) + fields.number(2, at: 28)
        return (try file.bytes(count, at: start), fields.number(2, at: 8))
    }

    /// The contents of a member of which `bytes` are stored. Throws `Failure` if they are damaged.
    static func contents(_ bytes: [UInt8], method: Int, size: Int, checksum: UInt32) throws -> [UInt8] {
        let contents = method == 0 ? bytes : try inflated(bytes, size: size, .raw)
        guard contents.count == size, Checksum(of: contents).value == checksum else {
            throw Failure("the member is damaged: wrong checksum", hint: "fetch the archive again")
        }
        return contents
    }
}

/// Little-endian numbers in bytes.
struct LittleEndian {
    let bytes: [UInt8]

    init(_ bytes: [UInt8]) { self.bytes = bytes }

    /// The number of `count` bytes at `place`, both of which must be in the bytes; one beyond Int's is Int.max.
    func number(_ count: Int, at place: Int) -> Int {
        Int(clamping: bytes[place..<place + count].reversed().reduce(UInt64(0)) { $0 << 8 | UInt64($1) })
    }
}
