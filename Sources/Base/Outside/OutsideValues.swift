// Values that come from files of others become values of the program here: numbers in a range in which sums and products with
// reasonable factors do not overflow, and names that are names and not paths.

/// A count, size or offset from a file: 0 up to 2^48.
///
/// Decoding throws for anything else, so that no arithmetic on it can trap. Sums of up to 2^15 of them fit.
@propertyWrapper
package struct Count: Codable, Equatable, Sendable {
    package static let limit = 1 << 48

    package var wrappedValue: Int

    package init(wrappedValue: Int) { self.wrappedValue = wrappedValue }

    package init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        wrappedValue = try container.decode(Int.self)
        guard (0...Self.limit).contains(wrappedValue) else {
            throw DecodingError.dataCorruptedError(in: container, debugDescription: "\(wrappedValue) is not a count")
        }
    }

    package func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(wrappedValue)
    }
}

/// The name of a file in a known directory, from a file: not empty, not hidden, without separator or control characters, at most 255
/// bytes. So the directory's path with this name leads to an entry of that directory.
@propertyWrapper
package struct PlainName: Codable, Equatable, Sendable {
    package var wrappedValue: String

    package init(wrappedValue: String) { self.wrappedValue = wrappedValue }

    package init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        wrappedValue = try container.decode(String.self)
        guard Self.isPlain(wrappedValue) else {
            throw DecodingError.dataCorruptedError(
                in: container, debugDescription: "\"\(wrappedValue.printable(limit: 80))\" is not a plain file name")
        }
    }

    package func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(wrappedValue)
    }

    package static func isPlain(_ name: String) -> Bool {
        !name.isEmpty && !name.hasPrefix(".") && name.utf8.count <= 255
            && !name.utf8.contains { $0 == UInt8(ascii: "/") || $0 < 32 || $0 == 127 }
    }
}

/// A name that is compared byte by byte. Swift compares strings by what they mean: a letter with an accent equals the letter followed
/// by the accent, but to the file system, and in other programs, these are two names.
package struct ExactName: Hashable, Comparable, Sendable {
    package let text: String

    package init(_ text: String) { self.text = text }

    package static func == (one: ExactName, other: ExactName) -> Bool { one.text.utf8.elementsEqual(other.text.utf8) }

    package static func < (one: ExactName, other: ExactName) -> Bool {
        one.text.utf8.lexicographicallyPrecedes(other.text.utf8)
    }

    package func hash(into hasher: inout Hasher) {
        for byte in text.utf8 { hasher.combine(byte) }
    }
}
