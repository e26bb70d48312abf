import ArgumentParser
import Base
import Checkpoints
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
        let bytes = try RegularFile.contents(of: path, limit: ConfigurationText.byteLimit)
        // The settings of a run are such a file, too.
        if let settings = try? JSONDecoder().decode(RunSettings.self, from: Data(bytes)) {
            options = try Self.sorted(settings.options).map { name, value in
                (name, try Self.arguments(name, Node(value), path, table))
            }
            return
        }
        options = try ConfigurationText.pairs(bytes, in: path).map { key, value in
            guard let name = key.scalar?.string else {
                throw Failure("\(path) has a key that is no name", hint: "write `name: value` on each line")
            }
            return (name, try Self.arguments(name, value, path, table))
        }
    }

    /// Arguments for the stored `options` of the file `path`. Throws `Failure` if one is unknown.
    static func arguments(_ options: [String: String], in path: String, _ table: OptionTable) throws -> [String] {
        try sorted(options).flatMap { name, value in try arguments(name, Node(value), path, table) }
    }

    private static func sorted(_ options: [String: String]) -> [(String, String)] {
        options.sorted { $0.key < $1.key }
    }

    private static func arguments(
        _ name: String, _ value: Node, _ path: String, _ table: OptionTable
    ) throws -> [String] {
        guard let entry = table[name], !table.isOpposite(entry), !ownNames.contains(name) else {
            throw unknown(name, in: path, table)
        }
        let place = "\(path): \(name)"
        guard let text = value.scalar?.string, value.null == nil else {
            let kind = value.null == nil ? "more than one value" : "no value"
            throw Failure("\(place) has \(kind)", hint: "write one value, or leave the line out")
        }
        // In one word, a value may begin with a dash; in two, with a mark that would change the equals sign.
        guard entry.isFlag else { return text.hasPrefix("-") ? ["--\(name)=\(text)"] : ["--\(name)", text] }
        guard let isSet = ["true": true, "false": false][text] else {
            throw Failure(
                "\(place) is `\(text.printable(limit: 80))`, but takes true or false", hint: "write `\(name): true`")
        }
        if isSet { return ["--\(name)"] }
        return table["no-\(name)"] == nil ? [] : ["--no-\(name)"]
    }

    private static func unknown(_ name: String, in path: String, _ table: OptionTable) -> Failure {
        let names = table.entries.filter { !table.isOpposite($0) }.map(\.name).filter { !ownNames.contains($0) }
        let nearest = nearestName(to: name, among: names, within: max(2, name.count / 3))
        return Failure(
            "\(path) has the unknown option `\(name.printable(limit: 80))`",
            hint: nearest.map { "did you mean `\($0)`?" } ?? "the options are those of `--help`, without dashes")
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
