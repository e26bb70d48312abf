/// Names of files as text. Most are UTF-8 and are themselves; a byte of another one is written as `\xE9`, and so is a backslash where
/// `\x` would be read as such. So every name has a text of its own, and the text gives the name's bytes back.
package enum FileName {
    /// The text of a name of these bytes.
    package static func text(_ bytes: some Collection<UInt8>) -> String {
        if let text = String(validating: bytes, as: UTF8.self) {
            // As it is, unless the text would be read as another name.
            return text.utf8.contains(backslash) && Self.bytes(of: text) != Array(bytes)
                ? text.replacing("\\x", with: "\\x5Cx") : text
        }
        var text = ""
        var rest = Array(bytes)[...]
        while let first = rest.first {
            // A character of UTF-8 has up to four bytes.
            let length = (1...4).first { String(validating: rest.prefix($0), as: UTF8.self) != nil && $0 <= rest.count }
            guard let length, first != backslash else {
                text += "\\x" + (first < 16 ? "0" : "") + String(first, radix: 16, uppercase: true)
                rest = rest.dropFirst()
                continue
            }
            text += String(decoding: rest.prefix(length), as: UTF8.self)
            rest = rest.dropFirst(length)
        }
        return text
    }

    /// The bytes of the name of this text.
    package static func bytes(of text: String) -> [UInt8] {
        let source = Array(text.utf8)
        guard source.contains(backslash) else { return source }
        var (bytes, place): ([UInt8], Int) = ([], 0)
        while place < source.count {
            if source[place...].starts(with: [backslash, UInt8(ascii: "x")]), place + 4 <= source.count,
                let byte = UInt8(String(decoding: source[place + 2..<place + 4], as: UTF8.self), radix: 16)
            {
                bytes.append(byte)
                place += 4
            } else {
                bytes.append(source[place])
                place += 1
            }
        }
        return bytes
    }

    /// The path, for the system, of what is in the directory `path` at `inner`, which has the texts of names.
    package static func path(_ path: String, _ inner: String) -> [CChar] {
        let bytes = Array(path.utf8) + (inner.isEmpty ? [] : [UInt8(ascii: "/")] + Self.bytes(of: inner))
        return bytes.map { CChar(bitPattern: $0) } + [0]
    }
}

private let backslash = UInt8(ascii: "\\")
