import Foundation

/// Changes a JSON text where its reader may not expect it: another kind of value, a number out of range, a name that is a path, a field
/// that is missing. Checksums are for the caller to compute again, since random damage would stop at them.
public struct HostileJSON {
    nonisolated(unsafe) private static let values: [Any] = [
        -1, 0, 1, Int(Int32.max) + 1, 1 << 53, 1 << 62, Int.min, Int.max, 1e308, -0.5, 0.1, true, NSNull(), [Any](),
        [String: Any](), "", ".", "..", "../victim", "/etc/passwd", "a/b", "nan", "1e999", "\u{1B}[2J", "\u{0}x",
        String(repeating: "x", count: 5000), [[[[[[[[1]]]]]]]], ["a": ["b": 1]],
    ]

    private static let names = values.compactMap { $0 as? String }

    private let draw: () -> UInt64

    /// `draw` returns random numbers.
    public init(_ draw: @escaping () -> UInt64) { self.draw = draw }

    private func index(below bound: Int) -> Int { Int(draw() % UInt64(bound)) }

    /// `json` with one to three values changed; with sorted keys and without spaces.
    public func changed(_ json: Data) throws -> Data {
        var object = try JSONSerialization.jsonObject(with: json, options: .fragmentsAllowed)
        for _ in 0...index(below: 3) { object = changed(object, depth: 0) }
        return try JSONSerialization.data(
            withJSONObject: object, options: [.sortedKeys, .withoutEscapingSlashes, .fragmentsAllowed])
    }

    private func changed(_ value: Any, depth: Int) -> Any {
        switch value {
        case var fields as [String: Any] where !fields.isEmpty && index(below: 8) > 0:
            let name = fields.keys.sorted()[index(below: fields.count)]
            switch index(below: 12) {
            case 0: fields[name] = nil
            case 1: fields[Self.names[index(below: Self.names.count)]] = fields.removeValue(forKey: name)
            default: fields[name] = changed(fields[name]!, depth: depth + 1)
            }
            return fields
        case var items as [Any] where !items.isEmpty && index(below: 4) > 0:
            let place = index(below: items.count)
            switch index(below: 8) {
            case 0: items.remove(at: place)
            case 1: items.append(items[place])
            default: items[place] = changed(items[place], depth: depth + 1)
            }
            return items
        case let number as Int where index(below: 3) == 0: return number &+ (index(below: 2) == 0 ? 1 : -1)
        case let number as Int where index(below: 3) == 0: return number &* 2
        default: return Self.values[index(below: Self.values.count)]
        }
    }
}
