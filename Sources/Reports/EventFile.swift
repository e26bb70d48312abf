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
        guard (try? FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)) != nil
        else { throw Failure("cannot create \(directory)", hint: "check its permissions, or free some space") }
        let now = Date().timeIntervalSince1970
        let name = String(
            format: "events.out.tfevents.%010d.%06d.%@", Int(now), Int(now * 1e6) % 1_000_000, hostName())
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
