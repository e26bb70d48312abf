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
        guard !names.isEmpty else { throw Failure("\(path) names no classes", hint: "write one name a line") }
        var seen: Set<ExactName> = []
        for name in names where !seen.insert(ExactName(name)).inserted {
            throw Failure("\(path) names the class \(name) twice", hint: "write each name once")
        }
        return names
    }
}

/// The trimmed lines of a text file, without empty ones at its end.
///
/// Throws `Failure` if it cannot be read or has an empty line before others.
func textLines(of path: String) throws -> [String] {
    var lines = String(decoding: try RegularFile.contents(of: path, limit: 1 << 30), as: UTF8.self).split(
        omittingEmptySubsequences: false, whereSeparator: \.isNewline
    )
    .map { $0.trimmingCharacters(in: .whitespaces) }
    while lines.last == "" { lines.removeLast() }
    if let empty = lines.firstIndex(of: "") {
        throw Failure("line \(empty + 1) of \(path) is empty", hint: "fill or remove it")
    }
    return lines
}

/// Labels of images without class directories: one line per image with a label alone (images sorted by name) or a file's name and its
/// label. A label is a class name, or a number whose name is in a second file: its first line names number 1 or, if a label is 0,
/// number 0.
struct LabelFile {
    private let path: String
    private let labels: [String]
    /// The file of each label; nil if they follow the order of the file names.
    private let files: [String]?

    /// Reads the labels of `path`; if they are numbers, their names are in the file `names`.
    ///
    /// Throws `Failure` if a file cannot be read, lines are of different kinds, or numbers have no certain name.
    init(_ path: String, names: String?) throws {
        let lines = try textLines(of: path).map { line in
            line.split(maxSplits: 1, whereSeparator: \.isWhitespace).map { $0.trimmingCharacters(in: .whitespaces) }
        }
        guard let width = lines.first?.count else { throw Failure("\(path) is empty", hint: "write one label a line") }
        if let odd = lines.firstIndex(where: { $0.count != width }) {
            throw Failure(
                "line \(odd + 1) of \(path) has another number of words than the first",
                hint: "write on each line a label, or on each a file's name and a label")
        }
        self.path = path
        files = width == 2 ? lines.map { $0[0] } : nil
        let written = lines.map { $0[width - 1] }
        let numbers = written.compactMap { Int($0) }
        if numbers.count == written.count {
            labels = try LabelFile.resolve(numbers, names: names, path: path)
        } else {
            guard names == nil else {
                throw Failure("\(path) holds names of classes", hint: "leave --label-names out; it is for numbers")
            }
            labels = written
        }
    }

    private static func resolve(_ numbers: [Int], names path: String?, path labels: String) throws -> [String] {
        guard let path else {
            throw Failure(
                "\(labels) holds numbers",
                hint:
                    "say with --label-names which class each is: the devkit's numbers are not in the order of the names"
            )
        }
        let names = try ClassNames.read(path)
        let (least, most) = (numbers.min() ?? 0, numbers.max() ?? 0)
        guard least == 0 || most == names.count, least >= 0, most - (least == 0 ? 0 : 1) < names.count else {
            throw Failure(
                "the labels \(least) to \(most) of \(labels) do not go with the \(names.count) lines of \(path)",
                hint: "number from 0 or 1 to the last line, or write the names of the classes instead")
        }
        return numbers.map { names[least == 0 ? $0 : $0 - 1] }
    }

    /// The class of each of `files`, which are sorted. Throws `Failure` if one has none.
    func classes(ofFiles files: [ExactName]) throws -> [String] {
        guard let named = self.files else {
            guard labels.count == files.count else {
                throw Failure(
                    "\(path) has \(labels.count) labels, but there are \(files.count) images",
                    hint: "name the file that goes with this archive")
            }
            return labels
        }
        let byName = Dictionary(
            zip(named.map { ExactName($0) }, labels), uniquingKeysWith: { first, _ in first })
        return try files.map { file in
            guard let label = byName[file] else {
                throw Failure(
                    "\(path) has no label for \(file.text)", hint: "name the file that goes with this archive")
            }
            return label
        }
    }
}
