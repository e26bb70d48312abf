import Base

/// Refuses a TIFF whose tags claim more data than the file has.
///
/// libtiff copies the data of every tag, also of those that it does not know, and in a forged file thousands of tags share the same bytes.
/// Returns the bytes that the tags of the first image have.
func tiffTagBytes(_ bytes: UnsafeRawBufferPointer) throws -> Int {
    let file = ImageBytes(bytes: bytes, isBigEndian: bytes.first == UInt8(ascii: "M"))
    let isBig = try file.integer(UInt16.self, at: 2) == 43
    func address(at offset: Int) throws -> Int {
        let address = try isBig ? file.integer(UInt64.self, at: offset) : UInt64(file.integer(UInt32.self, at: offset))
        guard address < bytes.count else { throw ImageBytes.endsEarly }
        return Int(address)
    }
    let directory = try address(at: isBig ? 8 : 4)
    let (countBytes, entryBytes) = isBig ? (8, 20) : (2, 12)
    let count = try isBig ? file.integer(UInt64.self, at: directory) : UInt64(file.integer(UInt16.self, at: directory))
    guard count <= 1000 else { throw undecodable("a TIFF image with \(count) tags") }
    var total: UInt64 = 0
    for number in 0..<Int(count) {
        let entry = directory + countBytes + number * entryBytes
        let values =
            try isBig ? file.integer(UInt64.self, at: entry + 4) : UInt64(file.integer(UInt32.self, at: entry + 4))
        guard values <= bytes.count else { throw tooManyValues }
        total += values * UInt64(tiffValueBytes(kind: try file.integer(UInt16.self, at: entry + 2)))
    }
    // Values of up to 8 bytes are in the entries, and small tables may be shared.
    guard total <= bytes.count + 64 * Int(count) else { throw tooManyValues }
    return Int(total)
}

private var tooManyValues: Failure { undecodable("the tags of the TIFF image claim more data than the file has") }

private func tiffValueBytes(kind: UInt16) -> Int {
    switch kind {
    case 3, 8: 2
    case 4, 9, 11, 13: 4
    case 5, 10, 12, 16, 17, 18: 8
    default: 1
    }
}
