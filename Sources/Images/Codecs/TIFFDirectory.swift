import Base

/// The bytes that the tags of the first image of a TIFF have.
///
/// Throws `Failure` if the file ends before the value of a tag of the standard, which libtiff may ignore (a lost palette becomes grey), or if
/// the tags claim more data than the file has: libtiff copies all, and in a forged file thousands of tags share the same bytes.
func tiffTagBytes(_ bytes: UnsafeRawBufferPointer) throws -> Int {
    let file = ImageBytes(bytes: bytes, isBigEndian: bytes.first == UInt8(ascii: "M"))
    let isBig = try file.integer(UInt16.self, at: 2) == 43
    func number(at offset: Int) throws -> Int {
        let number = try isBig ? file.integer(UInt64.self, at: offset) : UInt64(file.integer(UInt32.self, at: offset))
        return Int(clamping: number)
    }
    let directory = try number(at: isBig ? 8 : 4)
    try file.require(8, at: directory)
    let count = try isBig ? number(at: directory) : Int(file.integer(UInt16.self, at: directory))
    guard count <= 1000 else { throw undecodable("a TIFF image with \(count) tags") }
    var total = 0
    for position in 0..<count {
        let entry = directory + (isBig ? 8 + 20 * position : 2 + 12 * position)
        let values = try number(at: entry + 4)
        guard values <= bytes.count else { throw tooManyValues }
        let size = values * tiffValueBytes(kind: try file.integer(UInt16.self, at: entry + 2))
        total += size
        // A value of this size or less is in the entry itself.
        let place = entry + (isBig ? 12 : 8)
        let isStandard = try file.integer(UInt16.self, at: entry) < 32_768
        if isStandard && size > (isBig ? 8 : 4) { try file.require(size, at: number(at: place)) }
    }
    // Some writers let small tables be shared.
    guard total <= bytes.count + 64 * count else { throw tooManyValues }
    return total
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
