import Base

/// The bytes that `bytes`, compressed by Snappy, are: `size` of them. Throws `Failure` if they are damaged or of another size.
func decompressedSnappy(_ bytes: [UInt8], size: Int) throws -> [UInt8] {
    let damaged = Failure("compressed bytes are damaged", hint: "fetch the file again")
    var (claimed, start, shift) = (0, 0, 0)
    while true {
        guard start < min(bytes.count, 5) else { throw damaged }
        claimed |= Int(bytes[start] & 127) << shift
        shift += 7
        start += 1
        if bytes[start - 1] < 128 { break }
    }
    // Three bytes make at most 64, so memory follows the bytes that are there.
    guard claimed == size, size / 22 <= bytes.count else { throw damaged }
    return try [UInt8](unsafeUninitializedCapacity: size) { target, initialised in
        var (next, written) = (start, 0)
        /// The little-endian number in the next `count` bytes.
        func number(_ count: Int) throws -> Int {
            guard count <= bytes.count - next else { throw damaged }
            defer { next += count }
            return (0..<count).reduce(0) { $0 | Int(bytes[next + $1]) << (8 * $1) }
        }
        while next < bytes.count {
            let tag = try number(1)
            if tag & 3 == 0 {
                let length = 1 + (tag >> 2 < 60 ? tag >> 2 : try number(tag >> 2 - 59))
                guard length <= bytes.count - next, length <= size - written else { throw damaged }
                bytes.withUnsafeBufferPointer {
                    (target.baseAddress! + written).update(from: $0.baseAddress! + next, count: length)
                }
                next += length
                written += length
                continue
            }
            let length = tag & 3 == 1 ? 4 + (tag >> 2 & 7) : 1 + tag >> 2
            let offset =
                switch tag & 3 {
                case 1: (tag >> 5) << 8 | (try number(1))
                case 2: try number(2)
                default: try number(4)
                }
            guard (1...max(1, written)).contains(offset), offset <= written, length <= size - written else {
                throw damaged
            }
            // Byte by byte, since a copy may repeat what it writes.
            for index in written..<written + length { target[index] = target[index - offset] }
            written += length
        }
        guard written == size else { throw damaged }
        initialised = size
    }
}
