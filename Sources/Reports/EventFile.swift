import Base
import Foundation
import Images

/// A value of a step in TensorBoard. Tags of the form `group/name` are grouped.
package enum EventValue: Sendable {
    /// A point of a curve.
    case scalar(String, Double)
    case image(String, Image)
    /// Markdown.
    case text(String, String)
}

/// A TensorBoard event file in the directory of one run.
///
/// A resumed run writes a new file into the same directory; TensorBoard reads the files of a directory in the order of their names,
/// which begin with the time. Data that cannot be written is kept and retried, as in `AppendingFile`.
/// Formats: tensorflow/core/util/event.proto, framework/summary.proto, and the records of TFRecord.
package struct EventFile {
    private let file: AppendingFile

    /// Starts a file in `directory`, creating it if needed. TensorBoard discards what earlier files of the directory have from `purgeStep`
    /// on. Throws `Failure` if it cannot be written.
    package init(directory: String, purgeStep: Int) throws {
        try makeDirectory(directory)
        let now = Date().timeIntervalSince1970
        let name = String(format: "events.out.tfevents.%010d.%06d.%@", Int(now), Int(now * 1e6) % 1_000_000, hostName())
        file = try AppendingFile("\(directory)/\(name)")
        var version = Self.event(step: 0)
        version.append(3, "brain.Event:2")
        var start = Self.event(step: purgeStep)
        start.append(7) { $0.append(1, 1) }  // session_log: START
        // A full disk may have room later.
        for event in [version, start] { _ = try file.append(eventRecord(event.bytes)) }
    }

    /// Appends the values of `step`. Returns the failure the first time that writing fails, otherwise nil; throws `Failure` when more is kept
    /// than fits the limit, or an image is larger than PNG allows.
    package func append(step: Int, _ values: [EventValue]) throws -> Failure? {
        var summary = ProtobufMessage()
        for value in values { summary.append(1, try Self.message(value)) }
        var event = Self.event(step: step)
        event.append(5, summary)
        return try file.append(eventRecord(event.bytes))
    }

    /// An event of `step` with the current time.
    private static func event(step: Int) -> ProtobufMessage {
        var event = ProtobufMessage()
        event.append(1, Date().timeIntervalSince1970)
        event.append(2, step)
        return event
    }

    private static func message(_ value: EventValue) throws -> ProtobufMessage {
        var message = ProtobufMessage()
        switch value {
        case .scalar(let tag, let number):
            message.append(1, tag)
            message.append(2, Float(number))
        case .image(let tag, let image):
            let png = try PNGEncoder.encode(image)
            message.append(1, tag)
            message.append(4) {
                $0.append(1, image.height)
                $0.append(2, image.width)
                $0.append(3, 3)  // red, green, blue
                $0.append(4, png)
            }
        case .text(let tag, let text):
            message.append(1, tag)
            message.append(8) {
                $0.append(1, 7)  // DT_STRING
                $0.append(2) { $0.append(2) { $0.append(1, 1) } }  // shape: one dimension of 1
                $0.append(8, text)
            }
            message.append(9) { $0.append(1) { $0.append(1, "text") } }  // the plug-in that shows it
        }
        return message
    }
}

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
