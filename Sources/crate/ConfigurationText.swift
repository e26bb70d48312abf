import Base
import Foundation
import Yams

/// A YAML text of options from outside: read in time and memory in proportion to its size, and written so that it is read as it was.
enum ConfigurationText {
    /// The longest file. The options of a command take a few kilobytes, most of them paths.
    static let byteLimit = 64 << 10

    /// Keys and values of the mapping in the YAML `bytes` of the file `path`; none if it is empty. Throws `Failure` with the place if they are
    /// no mapping.
    static func pairs(_ bytes: [UInt8], in path: String) throws -> [(key: Node, value: Node)] {
        // Yams takes a mark in front of a text for the end of a document.
        guard let text = String(validating: withoutByteOrderMark(bytes), as: UTF8.self) else {
            throw Failure("\(path) is no UTF-8 text", hint: "give a YAML file of options to --config")
        }
        if let name = alias(in: bytes) {
            throw Failure("\(path) repeats a value by its name (*\(name))", hint: "write the value itself")
        }
        let document: Node?
        do {
            document = try compose(yaml: text)
        } catch {
            throw Failure("\(path) is no YAML: \(reason(error))", hint: "write `name: value` on each line")
        }
        guard let document, document.null == nil else { return [] }
        guard let mapping = document.mapping else {
            throw Failure("\(path) is no mapping", hint: "write `name: value` on each line")
        }
        let lines = text.unicodeScalars.split(separator: "\n", omittingEmptySubsequences: false)
        return mapping.map { ($0, withByteOrderMark($1, lines)) }
    }

    /// `value` with the byte order mark that it begins with in `lines`: Yams takes one for a sign of the encoding, and drops it.
    private static func withByteOrderMark(_ value: Node, _ lines: [Substring.UnicodeScalarView]) -> Node {
        guard var scalar = value.scalar, scalar.style == .doubleQuoted, let mark = scalar.mark,
            lines.indices.contains(mark.line - 1),
            String(lines[mark.line - 1].dropFirst(mark.column - 1).prefix(7)).lowercased() == "\"\\ufeff"
        else { return value }
        scalar.string = "\u{FEFF}" + scalar.string
        return .scalar(scalar)
    }

    /// A name that occurs both as an anchor (&NAME) and as an alias (*NAME), if any, wherever they are in the text.
    ///
    /// Aliases let a small text stand for a value of any size, and Yams compares keys by all of their value. So aliases are refused before
    /// anything is composed. An alias without an anchor is an error of its own.
    private static func alias(in bytes: [UInt8]) -> String? {
        var names: [UInt8: Set<ArraySlice<UInt8>>] = [:]
        for (index, byte) in bytes.enumerated() where byte == UInt8(ascii: "&") || byte == UInt8(ascii: "*") {
            let name = bytes[(index + 1)...].prefix { isOfAnchor($0) }
            if !name.isEmpty { names[byte, default: []].insert(name) }
        }
        let both = (names[UInt8(ascii: "&")] ?? []).intersection(names[UInt8(ascii: "*")] ?? [])
        return both.first.map { String(decoding: $0, as: UTF8.self) }
    }

    private static func isOfAnchor(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "_"), UInt8(ascii: "-"):
            true
        default: false
        }
    }

    /// What is wrong and where, without the lines of the file.
    private static func reason(_ error: any Error) -> String {
        switch error as? YamlError {
        case .scanner(_, let problem, let mark, _), .parser(_, let problem, let mark, _),
            .composer(_, let problem, let mark, _):
            "\(problem) in line \(mark.line), column \(mark.column)"
        case .reader(let problem, _, let value, _): String(format: "%@ (U+%04X)", problem, max(0, value))
        case .duplicatedKeysInMapping(let keys, let context):
            "duplicated key \((keys.first ?? "").printable(limit: 80)) in line \(context.mark.line)"
        default: "it cannot be read"
        }
    }

    /// `text` as a YAML scalar that is read as the same text.
    static func scalar(_ text: String) -> String {
        let isPlain = text.wholeMatch(of: /[A-Za-z0-9.\/][A-Za-z0-9.\/_+-]*/) != nil && text.lowercased() != "null"
        return isPlain ? text : "\"" + text.unicodeScalars.map(escaped).joined() + "\""
    }

    /// Everything that YAML or a terminal does not show as a character of its own is escaped, and what begins an alias.
    private static func escaped(_ scalar: Unicode.Scalar) -> String {
        switch scalar {
        case "\\", "\"": "\\\(scalar)"
        case "&", "*": String(format: "\\x%02x", scalar.value)
        case " "..."~": String(scalar)
        case _ where scalar.properties.isShownAlone: String(scalar)
        default: String(format: scalar.value < 0x10000 ? "\\u%04x" : "\\U%08x", scalar.value)
        }
    }
}

extension Unicode.Scalar.Properties {
    /// Whether it is a letter, a digit, a symbol or a mark of punctuation.
    fileprivate var isShownAlone: Bool {
        switch generalCategory {
        case .control, .format, .surrogate, .privateUse, .unassigned, .lineSeparator, .paragraphSeparator,
            .spaceSeparator, .nonspacingMark, .spacingMark, .enclosingMark:
            false
        default: true
        }
    }
}
