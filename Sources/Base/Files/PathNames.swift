/// Parts of paths. Not NSString's: those of Foundation in Swift 6.3 trap on a path of one character.
extension String {
    /// The directory that holds this path: "a" for "a/b" and "a/b/", "/" for "/a", empty for a name alone.
    package var parentPath: String {
        let bytes = withoutTrailingSlashes
        guard let last = bytes.lastIndex(of: slash) else { return "" }
        let parent = bytes[..<last].lastIndex { $0 != slash }.map { bytes[...$0] } ?? []
        return parent.isEmpty ? "/" : String(decoding: parent, as: UTF8.self)
    }

    /// The last name of this path: "b" for "a/b" and "a/b/"; "/" for the root.
    package var lastName: String {
        let bytes = withoutTrailingSlashes
        guard !bytes.isEmpty else { return utf8.isEmpty ? "" : "/" }
        return String(decoding: bytes[(bytes.lastIndex(of: slash).map { $0 + 1 } ?? 0)...], as: UTF8.self)
    }

    /// What follows the last dot of the last name; empty if there is none, or nothing in front of it.
    package var nameExtension: String {
        let name = lastName
        guard let dot = name.lastIndex(of: "."), dot != name.startIndex else { return "" }
        return String(name[name.index(after: dot)...])
    }

    /// The path of `name` in this directory.
    package func appending(name: String) -> String {
        isEmpty || utf8.last == slash ? self + name : "\(self)/\(name)"
    }

    private var withoutTrailingSlashes: ArraySlice<UInt8> {
        let bytes = Array(utf8)
        return bytes[..<(bytes.lastIndex { $0 != slash }.map { $0 + 1 } ?? 0)]
    }
}

private let slash = UInt8(ascii: "/")
