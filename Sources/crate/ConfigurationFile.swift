import ArgumentParser
import Base
import Foundation
import Yams

/// How a command reads options from a file; `GivenArguments` applies them before parsing.
struct ConfigurationOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "YAML file of options, such as `batch-size: 512`; the command line takes precedence.",
            valueName: "file"))
    var config: String?
    @Flag(help: "Print all options as such a file, and exit.")
    var printConfig = false
}

/// A YAML file of options: a mapping of names without dashes to values; a flag is true or false.
struct ConfigurationFile {
    let path: String
    /// Arguments of each option, in the order of the file.
    let options: [(name: String, arguments: [String])]

    /// Options that a file may not contain.
    private static let ownNames = ["config", "print-config"]

    /// Reads `path` for a command with the options of `table`. Throws `Failure` with the key if one is unknown or has an invalid kind of
    /// value.
    init(_ path: String, _ table: OptionTable) throws {
        self.path = path
        guard let size = try? FileManager.default.attributesOfItem(atPath: path)[.size] as? Int, size < 1 << 20,
            let data = FileManager.default.contents(atPath: path), let text = String(data: data, encoding: .utf8)
        else {
            throw Failure("cannot read the configuration file \(path)", hint: "give a YAML file of options to --config")
        }
        let document: Node?
        do {
            document = try compose(yaml: text)
        } catch {
            let lines = "\(error)".split(whereSeparator: \.isNewline).map { $0.trimmingCharacters(in: .whitespaces) }
            throw Failure(
                "\(path) is no YAML: \(lines.joined(separator: " "))", hint: "write `name: value` on each line")
        }
        guard let document, document.null == nil else {
            options = []
            return
        }
        guard let mapping = document.mapping else {
            throw Failure("\(path) is no mapping", hint: "write `name: value` on each line")
        }
        // The settings of a run are such a file, too.
        let settings = mapping["resolved"] == nil ? nil : mapping["options"]?.mapping
        options = try (settings ?? mapping).map { key, value in
            let name = key.string ?? ""
            guard let entry = table[name], !table.isOpposite(entry), !Self.ownNames.contains(name) else {
                throw Self.unknown(name, in: path, table)
            }
            return (name, try Self.arguments(entry, value, "\(path): \(name)", table))
        }
    }

    /// Arguments for the stored `options` of the file `path`. Throws `Failure` if one is unknown.
    static func arguments(_ options: [String: String], in path: String, _ table: OptionTable) throws -> [String] {
        try options.sorted { $0.key < $1.key }.flatMap { name, value in
            guard let entry = table[name], !table.isOpposite(entry) else { throw unknown(name, in: path, table) }
            return try arguments(entry, Node(value), "\(path): \(name)", table)
        }
    }

    private static func arguments(
        _ entry: OptionTable.Entry, _ value: Node, _ place: String, _ table: OptionTable
    ) throws -> [String] {
        let name = entry.name
        guard let text = value.scalar?.string, value.null == nil else {
            let kind = value.null == nil ? "more than one value" : "no value"
            throw Failure("\(place) has \(kind)", hint: "write one value, or leave the line out")
        }
        guard entry.isFlag else { return ["--\(name)=\(text)"] }
        guard let isSet = ["true": true, "false": false][text] else {
            throw Failure("\(place) is `\(text)`, but takes true or false", hint: "write `\(name): true`")
        }
        if isSet { return ["--\(name)"] }
        return table["no-\(name)"] == nil ? [] : ["--no-\(name)"]
    }

    private static func unknown(_ name: String, in path: String, _ table: OptionTable) -> Failure {
        let names = table.entries.filter { !table.isOpposite($0) }.map(\.name).filter { !ownNames.contains($0) }
        let nearest = names.min { editDistance($0, name) < editDistance($1, name) } ?? ""
        let isNear = editDistance(nearest, name) <= max(2, name.count / 3)
        return Failure(
            "\(path) has the unknown option `\(name)`",
            hint: isNear ? "did you mean `\(nearest)`?" : "the options are those of `--help`, without dashes")
    }

    /// The failure of the first option that the parser refuses on its own, if any.
    func failure(of command: String, _ table: OptionTable) -> Failure? {
        let required = table.required.map { "--\($0)=x" }
        for (name, arguments) in options {
            do {
                _ = try Crate.parseAsRoot([command] + required + arguments)
            } catch {
                let text = Crate.message(for: error).trimmingCharacters(in: CharacterSet(charactersIn: ". \n"))
                return Failure("\(path): \(name): \(text)", hint: "see `crate \(command) --help`")
            }
        }
        return nil
    }
}

/// Levenshtein distance.
func editDistance(_ first: String, _ second: String) -> Int {
    let (first, second) = (Array(first), Array(second))
    var row = Array(0...second.count)
    for (index, character) in first.enumerated() {
        var diagonal = row[0]
        row[0] = index + 1
        for column in second.indices {
            let replaced = diagonal + (character == second[column] ? 0 : 1)
            diagonal = row[column + 1]
            row[column + 1] = min(replaced, row[column] + 1, row[column + 1] + 1)
        }
    }
    return row[second.count]
}
