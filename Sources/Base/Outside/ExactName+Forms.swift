// The parts of names, byte by byte, and names that differ only in their Unicode form.

extension ExactName {
    /// Whether the name begins with a dot.
    package var isHidden: Bool { text.utf8.first == UInt8(ascii: ".") }

    package func hasPrefix(_ prefix: String) -> Bool { text.utf8.starts(with: prefix.utf8) }

    package func hasSuffix(_ suffix: String) -> Bool { text.utf8.reversed().starts(with: suffix.utf8.reversed()) }

    /// The name without its last `count` bytes.
    package func dropLast(_ count: Int) -> ExactName {
        ExactName(String(decoding: text.utf8.dropLast(count), as: UTF8.self))
    }

    /// The parts of a path: between separators, without empty ones.
    package static func parts(of path: String) -> [ExactName] {
        path.utf8.split(separator: UInt8(ascii: "/")).map { ExactName(String(decoding: $0, as: UTF8.self)) }
    }

    /// The name with what is not ASCII written as `\u{...}`, so that two Unicode forms of one name look different.
    package var ascii: String {
        text.unicodeScalars.map { $0.isASCII ? String($0) : "\\u{\(String($0.value, radix: 16))}" }.joined()
    }
}

/// Names that differ from another one only in their Unicode form.
package struct UnicodeTwins: Sendable {
    /// How many names have another form of themselves among the others.
    package private(set) var count = 0
    /// Two of them.
    package private(set) var example: (ExactName, ExactName)?

    package init() {}

    /// Adds a name that is taken for another form of it.
    package mutating func add(_ name: ExactName, takenFor other: ExactName) {
        count += 1
        example = example ?? (name, other)
    }

    /// Adds those among `names`, which differ byte by byte.
    package mutating func add(_ names: [ExactName]) {
        // Forms can only differ in a name that is not ASCII.
        guard names.contains(where: { name in name.text.utf8.contains { $0 >= 0x80 } }) else { return }
        // Strings are equal when they differ only in their Unicode form.
        for twins in Dictionary(grouping: names, by: \.text).values where twins.count > 1 {
            count += twins.count
            let sorted = twins.sorted()
            if example.map({ sorted[0] < $0.0 }) ?? true { example = (sorted[0], sorted[1]) }
        }
    }
}
