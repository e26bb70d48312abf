import Base
import Foundation
import Kernels

/// Lists of class names in the order of the labels.
package enum ClassNames {
    /// The classes of `path`: an `index.json` of shards, or a text file of one name per line.
    ///
    /// Throws `Failure` if it cannot be read, is empty, or has a duplicate.
    package static func read(_ path: String) throws -> [String] {
        let isIndex = path.lastName == ShardIndex.fileName
        let names = try isIndex ? ShardIndex.read(directory: path.parentPath).classes : textLines(of: path)
        try requireNoNumbers(names, path: path)
        guard !names.isEmpty else { throw Failure("\(path) names no classes", hint: "write one name a line") }
        var seen: Set<ExactName> = []
        for name in names where !seen.insert(ExactName(name)).inserted {
            throw Failure("\(path) names the class \(name) twice", hint: "write each name once")
        }
        return names
    }

    /// Throws `Failure` if the `names` of `path` are rows of a table: each begins with its own number.
    private static func requireNoNumbers(_ names: [String], path: String) throws {
        let numbers = names.map { name in name.firstIndex { ",;\t".contains($0) }.flatMap { Int(name[..<$0]) } }
        guard names.count > 1, let first = numbers[0], (0...1).contains(first),
            numbers.enumerated().allSatisfy({ $1 == first + $0 })
        else { return }
        throw Failure(
            "\(path) has a number in front of each name, such as \(names[0].printable(limit: 80))",
            hint: "write the names alone, in the order of the numbers")
    }
}

/// The trimmed lines of a text file, without a byte order mark and without empty lines at its end.
///
/// Throws `Failure` if it cannot be read, is UTF-16, or has an empty line before others.
func textLines(of path: String) throws -> [String] {
    let bytes = try RegularFile.contents(of: path, limit: 1 << 30)
    guard !bytes.starts(with: [0xFF, 0xFE]), !bytes.starts(with: [0xFE, 0xFF]) else {
        throw Failure("\(path) is a text of UTF-16", hint: "save it as UTF-8")
    }
    var lines = text(of: bytes).split(omittingEmptySubsequences: false, whereSeparator: \.isNewline)
        .map { $0.trimmingCharacters(in: .whitespaces) }
    while lines.last == "" { lines.removeLast() }
    if let empty = lines.firstIndex(of: "") {
        throw Failure("line \(empty + 1) of \(path) is empty", hint: "fill or remove it")
    }
    return lines
}

/// The text in `bytes` without a byte order mark. Lines that are no UTF-8 become texts of `FileName`, as the names of such files do.
func text(of bytes: [UInt8]) -> String {
    let bytes = withoutByteOrderMark(bytes)
    return String(validating: bytes, as: UTF8.self)
        ?? bytes.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false).map { FileName.text($0) }
        .joined(separator: "\n")
}

/// Throws `Failure` if each of the `lines` of `path` has a comma or a semicolon and none is there twice: then they are rows of a table, and
/// each would be a class of its own.
func requireLabels(_ lines: [String], path: String) throws {
    guard lines.count > 1, lines.allSatisfy({ $0.contains { ",;".contains($0) } }), Set(lines).count == lines.count
    else { return }
    throw Failure(
        "each line of \(path) is another label, such as \(lines[0].printable(limit: 80))",
        hint: "write a label on each line, or a file's name as in the source, a comma and its label")
}
