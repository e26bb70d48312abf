/// "1 rank", "2 ranks", "0 classes".
package func counted(_ count: Int, _ noun: String) -> String {
    guard count != 1 else { return "1 \(noun)" }
    return "\(count) \(noun)\(noun.hasSuffix("s") ? "es" : "s")"
}

/// `number` (>= 0) with leading zeros, at least `digits` digits, so that names sort like numbers.
package func zeroPadded(_ number: Int, to digits: Int) -> String {
    String(repeating: "0", count: max(0, digits - "\(number)".count)) + "\(number)"
}

/// `bytes` without the byte order mark that spreadsheets and editors put in front of a text of UTF-8.
package func withoutByteOrderMark(_ bytes: [UInt8]) -> [UInt8] {
    let mark: [UInt8] = [0xEF, 0xBB, 0xBF]
    return bytes.starts(with: mark) ? Array(bytes.dropFirst(mark.count)) : bytes
}

extension String {
    /// The text on one line as a terminal can show it: what could move the cursor, change colours or reverse the order of letters is
    /// written as `\u{...}`, and what is longer than 400 characters is shortened in its middle. For texts from outside the program.
    package var printable: String { printable(limit: 400) }

    /// The same for a whole line, in which a path or two have their place.
    package var printableLine: String { printable(limit: 10_000) }

    package func printable(limit: Int) -> String {
        var scalars = unicodeScalars.prefix(limit + 1).count <= limit ? Array(unicodeScalars) : []
        if scalars.isEmpty && !isEmpty {
            scalars = Array(unicodeScalars.prefix(limit / 2)) + Array(" ... ".unicodeScalars)
            scalars += Array(unicodeScalars.suffix(limit / 2))
        }
        guard scalars.contains(where: { $0.isUnprintable }) else { return String(String.UnicodeScalarView(scalars)) }
        return scalars.map { $0.isUnprintable ? "\\u{\(String($0.value, radix: 16))}" : String($0) }.joined()
    }
}

extension Unicode.Scalar {
    /// Controls (C0, C1, DEL), line and paragraph separators, marks of direction, and the byte order mark.
    fileprivate var isUnprintable: Bool {
        switch value {
        case 0..<0x20, 0x7F..<0xA0, 0x061C, 0x200E...0x200F, 0x2028...0x202E, 0x2066...0x2069, 0xFEFF: true
        default: false
        }
    }
}
