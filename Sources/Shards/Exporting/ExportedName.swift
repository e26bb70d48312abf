import Base

/// Names of files from keys and classes of shards, which may be anything. Each result is the name of an entry of the directory that it is
/// made in: never a path, never hidden, without control characters, and of at most 255 bytes.
///
/// A name that a file system has given stays as it is, byte by byte. What a name cannot have is written as keys write bytes: `\x2F`.
enum ExportedName {
    /// The most bytes of a name.
    private static let longest = 255
    /// Deeper and longer paths become one name.
    private static let depthLimit = 16
    private static let pathLimit = 1024

    /// The name of the text `text` with `ending` behind it.
    static func name(_ text: String, ending: String = "") -> [UInt8] {
        var name: [UInt8] = []
        let source = FileName.bytes(of: text)
        for (place, byte) in source.enumerated() {
            // Controls of C1 have two bytes in UTF-8, of which the second is kept as text.
            let isControl =
                byte < 0x20 || byte == 0x7F
                || byte == 0xC2 && place + 1 < source.count && (0x80..<0xA0).contains(source[place + 1])
            let isHiding = place == 0 && byte == UInt8(ascii: ".")
            if isControl || isHiding || byte == UInt8(ascii: "/") {
                name += Array("\\x\(byte < 16 ? "0" : "")\(String(byte, radix: 16, uppercase: true))".utf8)
            } else {
                name.append(byte)
            }
        }
        if name.isEmpty { name = [UInt8(ascii: "_")] }
        return shortened(name, to: longest - ending.utf8.count) + Array(ending.utf8)
    }

    /// The names of the directories and of the file for the rest of a key behind its class, with the suffix `suffix` in place of that of an
    /// image. No directory ends in the suffix, so that none has the name of a file.
    static func path(_ rest: String, suffix: String) -> [[UInt8]] {
        var parts = ExactName.parts(of: rest).map(\.text)
        if parts.count > depthLimit || rest.utf8.count > pathLimit { parts = [parts.joined(separator: "/")] }
        let file = parts.popLast() ?? ""
        let known = file.nameExtension
        let stem = imageSuffixes.contains(known.lowercased()) ? String(file.dropLast(known.count + 1)) : file
        return parts.map { directory($0, unlike: ".\(suffix)") } + [name(stem, ending: ".\(suffix)")]
    }

    /// `name` with `number` in front of its last `count` bytes, its suffix.
    static func numbered(_ name: [UInt8], _ number: Int, suffixBytes count: Int) -> [UInt8] {
        let mark = Array("-\(number)".utf8)
        let stem = shortened(Array(name.dropLast(count)), to: longest - count - mark.count)
        return stem + mark + name.suffix(count)
    }

    private static func directory(_ text: String, unlike suffix: String) -> [UInt8] {
        let name = name(text)
        guard name.reversed().starts(with: suffix.utf8.reversed()) else { return name }
        let dot = Array("\\x2E".utf8)
        return shortened(name.dropLast(suffix.utf8.count) + dot + Array(suffix.utf8.dropFirst()), to: longest)
    }

    /// `name` with at most `limit` bytes: of a longer one the beginning, in whole characters, and the checksum of all of it.
    private static func shortened(_ name: [UInt8], to limit: Int) -> [UInt8] {
        guard name.count > limit else { return name }
        let checksum = String(Checksum(of: name).value, radix: 16)
        let mark = "-" + String(repeating: "0", count: 8 - checksum.utf8.count) + checksum
        var start = limit - mark.utf8.count
        // A byte of UTF-8 that continues a character begins with the bits 10.
        for _ in 0..<3 where name[start] & 0xC0 == 0x80 { start -= 1 }
        return name.prefix(start) + Array(mark.utf8)
    }
}
