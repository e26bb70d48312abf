import Base

/// A value in Thrift's compact form, which Parquet describes itself in.
indirect enum ThriftValue {
    case number(Int)
    /// Bytes or a text.
    case bytes(ArraySlice<UInt8>)
    case list([ThriftValue])
    /// The fields of a structure by their numbers.
    case fields([Int: ThriftValue])
    /// Something that Parquet's descriptions of what is read do not have: a floating-point number.
    case other

    subscript(field: Int) -> ThriftValue? { if case .fields(let fields) = self { fields[field] } else { nil } }

    /// A number that can be a size: 0 up to `Count.limit`.
    func count(_ field: Int) -> Int? {
        number(field).flatMap { (0...Count.limit).contains($0) ? $0 : nil }
    }

    func number(_ field: Int) -> Int? { if case .number(let number)? = self[field] { number } else { nil } }

    func list(_ field: Int) -> [ThriftValue] { if case .list(let values)? = self[field] { values } else { [] } }

    func text(_ field: Int) -> String? { self[field]?.text }

    var text: String? { if case .bytes(let bytes) = self { String(decoding: bytes, as: UTF8.self) } else { nil } }
}

/// Reads a structure in the compact form. Memory is bounded: each value has at least a byte, and there are at most `valueLimit`.
struct ThriftReader {
    private static let (depthLimit, valueLimit) = (16, 1 << 22)

    private let bytes: [UInt8]
    /// The first byte that is not read yet.
    private(set) var position: Int
    private var valueCount = 0

    /// Thrown for anything that is damaged or cut short.
    struct Damage: Error {}

    /// Reads `bytes` from `position` on.
    init(_ bytes: [UInt8], at position: Int = 0) { (self.bytes, self.position) = (bytes, position) }

    mutating func structure(depth: Int = 0) throws -> ThriftValue {
        guard depth < Self.depthLimit else { throw Damage() }
        var fields: [Int: ThriftValue] = [:]
        var number = 0
        while true {
            let head = try byte()
            if head == 0 { return .fields(fields) }
            number = head >> 4 == 0 ? try zigzag() : number + Int(head >> 4)
            guard (0...Int(Int16.max)).contains(number) else { throw Damage() }
            fields[number] = try value(head & 15, depth: depth, isField: true)
        }
    }

    private mutating func value(_ type: UInt8, depth: Int, isField: Bool) throws -> ThriftValue {
        valueCount += 1
        guard valueCount <= Self.valueLimit else { throw Damage() }
        switch type {
        // A field's truth is in its type; an element of a list has a byte.
        case 1 where isField, 2 where isField: return .number(type == 1 ? 1 : 0)
        case 1, 2, 3: return .number(Int(try byte()))
        case 4, 5, 6: return .number(try zigzag())
        case 7:
            _ = try take(8)
            return .other
        case 8: return .bytes(try take(try varint()))
        case 9, 10:
            let head = try byte()
            let count = head >> 4 == 15 ? try varint() : Int(head >> 4)
            guard count <= bytes.count - position, depth < Self.depthLimit else { throw Damage() }
            var values: [ThriftValue] = []
            for _ in 0..<count { values.append(try value(head & 15, depth: depth + 1, isField: false)) }
            return .list(values)
        case 12: return try structure(depth: depth + 1)
        default: throw Damage()
        }
    }

    private mutating func byte() throws -> UInt8 {
        guard position < bytes.count else { throw Damage() }
        position += 1
        return bytes[position - 1]
    }

    private mutating func take(_ count: Int) throws -> ArraySlice<UInt8> {
        guard count >= 0, count <= bytes.count - position else { throw Damage() }
        position += count
        return bytes[position - count..<position]
    }

    private mutating func varint() throws -> Int { Int(clamping: try unsigned()) }

    private mutating func zigzag() throws -> Int {
        let value = try unsigned()
        return Int(bitPattern: UInt(value >> 1)) ^ -Int(bitPattern: UInt(value & 1))
    }

    private mutating func unsigned() throws -> UInt64 {
        var value: UInt64 = 0
        for shift in stride(from: UInt64(0), to: 64, by: 7) {
            let next = try byte()
            value |= UInt64(next & 127) << shift
            if next < 128 { return value }
        }
        throw Damage()
    }
}
