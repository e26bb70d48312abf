import Base
import Foundation

/// The checksum of `index.json` in the file itself, to detect a flipped bit in a number: CRC-32 of the file without that line.
enum IndexChecksum {
    private static let start = Data("\n  \"indexChecksum\" : ".utf8)

    /// `text`, a multi-line JSON object, with the field inserted first.
    static func added(to text: Data) -> Data {
        guard text.first == UInt8(ascii: "{") else { return text }
        let value = text.withUnsafeBytes { Checksum(of: $0).value }
        return text.prefix(1) + start + Data("\(value),".utf8) + text.dropFirst()
    }

    /// Throws `Failure` if the file `path` with the contents `text` has a checksum that does not match.
    static func check(_ text: Data, path: String) throws {
        guard let field = text.range(of: start) else { return }
        let digits = text[field.upperBound...].prefix { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }
        let end = digits.endIndex
        let others = text[..<field.lowerBound] + text[min(end + 1, text.endIndex)...]
        guard end < text.endIndex, text[end] == UInt8(ascii: ","),
            UInt32(String(decoding: digits, as: UTF8.self)) == others.withUnsafeBytes({ Checksum(of: $0).value })
        else { throw Failure("\(path) is damaged: wrong checksum", hint: indexHint) }
    }
}
