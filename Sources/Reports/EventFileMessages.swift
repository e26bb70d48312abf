/// A protocol-buffer message as bytes, field by field. Events need a few fields of five messages, so it is written here; the Swift package
/// for protocol buffers is a hundred times larger and needs a compiler of its own.
struct ProtobufMessage {
    private(set) var bytes: [UInt8] = []

    /// An integer >= 0.
    mutating func append(_ field: Int, _ value: Int) {
        appendKey(field, wireType: 0)
        appendVarint(UInt64(value))
    }

    mutating func append(_ field: Int, _ value: Double) {
        appendKey(field, wireType: 1)
        bytes += littleEndianBytes(value.bitPattern)
    }

    mutating func append(_ field: Int, _ value: Float) {
        appendKey(field, wireType: 5)
        bytes += littleEndianBytes(value.bitPattern)
    }

    mutating func append(_ field: Int, _ value: [UInt8]) {
        appendKey(field, wireType: 2)
        appendVarint(UInt64(value.count))
        bytes += value
    }

    mutating func append(_ field: Int, _ value: String) { append(field, [UInt8](value.utf8)) }

    mutating func append(_ field: Int, _ value: ProtobufMessage) { append(field, value.bytes) }

    /// A nested message whose fields `body` appends.
    mutating func append(_ field: Int, _ body: (inout ProtobufMessage) -> Void) {
        var message = ProtobufMessage()
        body(&message)
        append(field, message)
    }

    private mutating func appendKey(_ field: Int, wireType: UInt64) { appendVarint(UInt64(field) << 3 | wireType) }

    private mutating func appendVarint(_ value: UInt64) {
        var rest = value
        while rest > 0x7F {
            bytes.append(UInt8(rest & 0x7F) | 0x80)
            rest >>= 7
        }
        bytes.append(UInt8(rest))
    }
}

/// A TFRecord: length, checksum of the length, `data`, checksum of `data`.
func eventRecord(_ data: [UInt8]) -> [UInt8] {
    let length = littleEndianBytes(UInt64(data.count))
    return length + littleEndianBytes(maskedChecksum(length)) + data + littleEndianBytes(maskedChecksum(data))
}

/// A masked CRC-32C, so that the checksum of data that contains checksums is not one of theirs.
private func maskedChecksum(_ bytes: [UInt8]) -> UInt32 {
    var value = ~UInt32(0)
    for byte in bytes { value = castagnoliTable[Int((value ^ UInt32(byte)) & 0xFF)] ^ (value >> 8) }
    value = ~value
    return (value >> 15 | value << 17) &+ 0xA282_EAD8
}

/// The CRC-32C (polynomial 0x82F63B78) of every byte.
private let castagnoliTable: [UInt32] = (0..<256).map { byte in
    (0..<8).reduce(UInt32(byte)) { value, _ in value & 1 == 1 ? value >> 1 ^ 0x82F6_3B78 : value >> 1 }
}

private func littleEndianBytes(_ value: some FixedWidthInteger) -> [UInt8] {
    withUnsafeBytes(of: value.littleEndian) { [UInt8]($0) }
}
