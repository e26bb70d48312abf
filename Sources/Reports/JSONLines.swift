import Base
import Foundation

/// A JSON Lines file, such as a log that is still being written.
enum JSONLines {
    /// What could not be read.
    struct Damage: Equatable {
        /// Lines that are not JSON objects, except for an unterminated last line.
        var lines = 0
        /// Whether the last line is unterminated and not an object.
        var isCut = false
    }

    private static let newline = UInt8(ascii: "\n")

    /// Calls `body` with each object of the file, in order; what is no file that can be opened has none.
    static func read(_ path: String, _ body: ([String: JSONValue]) -> Void) -> Damage {
        guard let data = try? RegularFile.contents(of: path, limit: 1 << 36) else { return Damage() }
        return data.withUnsafeBytes { bytes in
            var (damage, start) = (Damage(), 0)
            while start < bytes.count {
                let end = bytes[start...].firstIndex(of: newline) ?? bytes.count
                let line = UnsafeRawBufferPointer(rebasing: bytes[start..<end])
                let isWhole = end < bytes.count
                start = end + 1
                if line.allSatisfy({ $0 <= 0x20 }) { continue }
                if isWhole, let numbers = flatNumbers(line) {
                    body(numbers)
                } else if case .object(let fields)? = try? JSONDecoder().decode(JSONValue.self, from: Data(line)) {
                    body(fields)
                } else if isWhole {
                    damage.lines += 1
                } else {
                    damage.isCut = true
                }
            }
            return damage
        }
    }

    /// The fields of an object of only numbers and `true`, as nearly all lines of a long log are; nil for any other, which is left to the
    /// general decoder. The line must be followed by a byte that ends a number.
    private static func flatNumbers(_ line: UnsafeRawBufferPointer) -> [String: JSONValue]? {
        guard let text = line.bindMemory(to: CChar.self).baseAddress, line.first == UInt8(ascii: "{") else {
            return nil
        }
        var fields: [String: JSONValue] = [:]
        var position = 1
        while position < line.count, line[position] == UInt8(ascii: "\"") {
            let nameStart = position + 1
            guard let nameEnd = line[nameStart...].firstIndex(of: UInt8(ascii: "\"")), nameEnd + 2 < line.count,
                line[nameEnd + 1] == UInt8(ascii: ":"),
                line[nameStart..<nameEnd].allSatisfy({ $0 != 0x5C && $0 < 0x80 })
            else { return nil }
            position = nameEnd + 2
            let name = String(decoding: line[nameStart..<nameEnd], as: UTF8.self)
            if line[position...].starts(with: "true".utf8) {
                fields[name] = .flag(true)
                position += 4
            } else {
                let first = line[position]
                guard first == UInt8(ascii: "-") || (0x30...0x39).contains(first) else { return nil }
                var end: UnsafeMutablePointer<CChar>?
                let value = strtod(text + position, &end)
                guard let end else { return nil }
                fields[name] = .number(value)
                position = UnsafePointer(end) - text
            }
            guard position < line.count else { return nil }
            if line[position] == UInt8(ascii: "}") { return position + 1 == line.count ? fields : nil }
            guard line[position] == UInt8(ascii: ",") else { return nil }
            position += 1
        }
        return nil
    }
}

/// Any JSON, for files with unknown or missing fields.
enum JSONValue: Decodable, Equatable {
    case null
    case flag(Bool)
    case number(Double)
    case text(String)
    case list([JSONValue])
    case object([String: JSONValue])

    init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        if let number = try? container.decode(Double.self) {
            self = .number(number)
        } else if let text = try? container.decode(String.self) {
            self = .text(text)
        } else if let flag = try? container.decode(Bool.self) {
            self = .flag(flag)
        } else if let object = try? container.decode([String: JSONValue].self) {
            self = .object(object)
        } else if let list = try? container.decode([JSONValue].self) {
            self = .list(list)
        } else {
            self = .null
        }
    }

    subscript(_ name: String) -> JSONValue? {
        if case .object(let fields) = self { fields[name] } else { nil }
    }

    /// A finite number.
    var number: Double? {
        if case .number(let number) = self, number.isFinite { number } else { nil }
    }

    /// An integer >= 0 that is small enough to count with.
    var count: Int? { number.flatMap { $0 >= 0 && $0 <= 1e12 ? Int(exactly: $0) : nil } }

    var text: String? {
        if case .text(let text) = self { text } else { nil }
    }

    /// Empty for anything but a list.
    var list: [JSONValue] {
        if case .list(let list) = self { list } else { [] }
    }
}
