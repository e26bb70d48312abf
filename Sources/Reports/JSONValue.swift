import Foundation

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
