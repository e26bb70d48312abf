import Base

/// A pickle of protocol 2 that holds a dictionary of lists, texts, numbers and arrays of bytes, as CIFAR's do. It is read and never
/// executed: the only two functions that it may name are those that NumPy's arrays name, and what they would make is known.
struct Pickle {
    indirect enum Value {
        case none
        case number(Int)
        /// A range of the pickle.
        case text(Range<Int>)
        case list(PickleItems)
        case dictionary(PickleItems)
        case tuple([Value])
        case global(String)
        case array(PickleItems)
    }

    struct Array {
        let rows: Int
        let columns: Int
        /// Its first byte in the pickle.
        let start: Int
    }

    private let bytes: [UInt8]
    private let name: String
    private var fields: [String: Value] = [:]

    /// Reads `bytes`. Throws `Failure` if they are anything else, or damaged; `name` is what they are in messages.
    init(_ bytes: [UInt8], name: String) throws {
        self.bytes = bytes
        self.name = name
        var machine = PickleMachine(bytes, name: name)
        guard case .dictionary(let items) = try machine.run() else { throw machine.failure("holds no dictionary") }
        for pair in stride(from: 0, to: items.values.count - 1, by: 2) {
            if let key = text(items.values[pair]) { fields[key] = items.values[pair + 1] }
        }
    }

    private func text(_ value: Value) -> String? {
        guard case .text(let range) = value else { return nil }
        return String(decoding: bytes[range], as: UTF8.self)
    }

    private func list(_ key: String) throws -> [Value] {
        guard case .list(let items) = fields[key] else { throw failure("has no list \(key)") }
        return items.values
    }

    func texts(_ key: String) throws -> [String] {
        try list(key).map { value in
            guard let text = text(value) else { throw failure("has something else than texts in \(key)") }
            return text
        }
    }

    func numbers(_ key: String) throws -> [Int] {
        try list(key).map { value in
            guard case .number(let number) = value else { throw failure("has something else than numbers in \(key)") }
            return number
        }
    }

    /// An array of bytes of two dimensions, row after row.
    func array(_ key: String) throws -> Array {
        guard case .array(let items) = fields[key], items.values.count == 5,
            case .tuple(let shape) = items.values[1], shape.count == 2,
            case .number(let rows) = shape[0], case .number(let columns) = shape[1],
            case .dictionary(let type) = items.values[2], type.values.first.flatMap({ text($0) }) == "u1",
            case .number(0) = items.values[3], case .text(let range) = items.values[4],
            rows >= 0, columns > 0, range.count % columns == 0, range.count / columns == rows
        else { throw failure("has no array of bytes \(key)") }
        return Array(rows: rows, columns: columns, start: range.lowerBound)
    }

    private func failure(_ problem: String) -> Failure { Failure("\(name) \(problem)", hint: "fetch it again") }
}

/// The elements of a list, the keys and values of a dictionary, or what an array was made of. A class, since a pickle refers to them
/// while it fills them.
final class PickleItems {
    var values: [Pickle.Value] = []
}
