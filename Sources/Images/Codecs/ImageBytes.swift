import Base

/// The bytes of an image file, read within their bounds.
struct ImageBytes {
    let bytes: UnsafeRawBufferPointer
    var isBigEndian = false

    /// The number at `offset`. Throws `Failure` if the file ends before its end.
    func integer<Number: FixedWidthInteger>(_ type: Number.Type, at offset: Int) throws -> Number {
        try require(MemoryLayout<Number>.size, at: offset)
        let number = bytes.loadUnaligned(fromByteOffset: offset, as: type)
        return isBigEndian ? Number(bigEndian: number) : Number(littleEndian: number)
    }

    /// Throws `Failure` if the file ends before `count` bytes from `offset`.
    func require(_ count: Int, at offset: Int) throws {
        let (end, overflow) = offset.addingReportingOverflow(count)
        guard offset >= 0, count >= 0, !overflow, end <= bytes.count else { throw Self.endsEarly }
    }

    static var endsEarly: Failure { undecodable("the file ends early") }
}
