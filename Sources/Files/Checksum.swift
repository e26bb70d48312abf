import CZlib

/// CRC-32 as zlib, PNG and Python's `zlib.crc32` compute it: polynomial 0xEDB88320, initial value 0.
public struct Checksum: Equatable, Sendable {
    /// The checksum of the bytes seen so far.
    public private(set) var value: UInt32 = 0

    /// The checksum of no bytes.
    public init() {}

    /// The checksum of `bytes`.
    public init(of bytes: UnsafeRawBufferPointer) {
        update(bytes)
    }

    /// The checksum of `bytes`.
    public init(of bytes: [UInt8]) {
        bytes.withUnsafeBytes { update($0) }
    }

    /// Continues the checksum over `bytes`.
    public mutating func update(_ bytes: UnsafeRawBufferPointer) {
        guard let start = bytes.bindMemory(to: UInt8.self).baseAddress else { return }
        value = UInt32(truncatingIfNeeded: crc32_z(uLong(value), start, bytes.count))
    }
}
