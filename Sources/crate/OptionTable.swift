import ArgumentParser
import Foundation

/// The options of a subcommand, as described by the argument parser.
struct OptionTable {
    struct Entry: Decodable {
        struct Name: Decodable {
            let kind, name: String
        }

        let kind: String
        let names: [Name]?
        let abstract, defaultValue, sectionTitle, valueName: String?
        let isOptional, isRepeating: Bool

        /// The long name without dashes.
        var name: String { names?.first { $0.kind == "long" }?.name ?? "" }
        var isFlag: Bool { kind == "flag" }
        /// Whether ranks may have different values: of a path, or of what concerns one process.
        var isLocal: Bool {
            ["dir", "path", "file", "file.h5"].contains(valueName) || ["threads", "jobs", "time-limit"].contains(name)
        }
    }

    private struct Description: Decodable {
        struct Command: Decodable {
            let commandName: String
            let arguments: [Entry]?
            let subcommands: [Command]?
        }

        let command: Command
    }

    /// In the order of the help.
    let entries: [Entry]

    /// Nil if there is no such subcommand.
    init?(command: String) {
        // The parser's own description for documentation tools; its version is pinned.
        guard let description = try? JSONDecoder().decode(Description.self, from: Data(Crate._dumpHelp().utf8)),
            let found = description.command.subcommands?.first(where: { $0.commandName == command })
        else { return nil }
        entries = (found.arguments ?? []).filter { !$0.name.isEmpty && $0.name != "help" && $0.name != "version" }
    }

    subscript(name: String) -> Entry? { entries.first { $0.names?.contains { $0.name == name } ?? false } }

    var required: [String] { entries.filter { !$0.isOptional && $0.kind == "option" }.map(\.name) }

    /// Whether `entry` is the `--no-` form of another flag.
    func isOpposite(_ entry: Entry) -> Bool {
        entry.name.hasPrefix("no-") && self[String(entry.name.dropFirst(3))] != nil
    }

    /// `arguments` without options that `later` overrides: of two options that exclude each other, or of a flag and its opposite, the later
    /// one counts.
    func arguments(_ arguments: [String], givingWayTo later: [String]) -> [String] {
        let names = Set(split(later).compactMap(\.name))
        return split(arguments).filter { part in !rivals(part.name).contains { names.contains($0) } }.flatMap(\.words)
    }

    func arguments(_ arguments: [String], without names: Set<String>) -> [String] {
        split(arguments).filter { !names.contains($0.name ?? "") }.flatMap(\.words)
    }

    /// The last value of each option in `arguments`; "true" for a flag.
    func values(in arguments: [String]) -> [String: String] {
        var values: [String: String] = [:]
        for part in split(arguments) {
            guard let name = part.name else { continue }
            for rival in rivals(name) { values[rival] = nil }
            values[name] = self[name]?.isFlag == true ? "true" : Self.value(of: part.words)
        }
        return values
    }

    /// All values of each option in `arguments`, and the number of words that belong to none.
    func lists(in arguments: [String]) -> (lists: [String: [String]], others: Int) {
        var (lists, others): ([String: [String]], Int) = ([:], 0)
        var open: String?
        for part in split(arguments) {
            if let name = part.name {
                open = self[name]?.isRepeating == true ? name : nil
                lists[name, default: []].append(Self.value(of: part.words))
            } else if let open {
                lists[open, default: []] += part.words
            } else {
                others += 1
            }
        }
        return (lists, others)
    }

    /// The value in the words of an option: the second word, or what is behind the equals sign.
    private static func value(of words: [String]) -> String {
        words.count > 1 ? words[1] : String(words[0].drop { $0 != "=" }.dropFirst())
    }

    /// `arguments` split into options with their values, and other words.
    private func split(_ arguments: [String]) -> [(name: String?, words: [String])] {
        var parts: [(name: String?, words: [String])] = []
        var isValue = false
        for word in arguments {
            if isValue {
                parts[parts.count - 1].words.append(word)
                isValue = false
                continue
            }
            guard word.hasPrefix("--") else {
                parts.append((nil, [word]))
                continue
            }
            let name = String(word.dropFirst(2).prefix { $0 != "=" })
            parts.append((name, [word]))
            isValue = !word.contains("=") && self[name].map { !$0.isFlag } ?? false
        }
        return parts
    }

    /// Whether `values` has an option that excludes `name`.
    func hasRival(_ name: String, in values: [String: String]) -> Bool { rivals(name).contains { values[$0] != nil } }

    private func rivals(_ name: String?) -> [String] {
        guard let name else { return [] }
        let pairs = [("epochs", "steps"), ("blr", "lr")]
        let opposite = name.hasPrefix("no-") ? String(name.dropFirst(3)) : "no-\(name)"
        return pairs.compactMap { $0.0 == name ? $0.1 : $0.1 == name ? $0.0 : nil } + [opposite]
    }
}
