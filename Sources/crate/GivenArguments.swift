import Base
import Foundation
import Training

/// What the program was started with, options from files put in front of those that were given, which win.
struct GivenArguments {
    /// Without the program's name; the subcommand first.
    let words: [String]
    /// The options of the subcommand.
    let table: OptionTable?
    /// The file of --config.
    let file: ConfigurationFile?

    /// Those of this process; read once, so that a file that changes meanwhile means one thing.
    static let ofProcess = Result { try GivenArguments(Array(CommandLine.arguments.dropFirst())) }

    /// With `arguments`, all but the program's name. Throws `Failure` where --config names no such file.
    init(_ arguments: [String]) throws {
        // Nearly all commands are as they are given, and need no table.
        let usesFile = arguments.contains { Self.fileOptions.contains(String($0.prefix { $0 != "=" })) }
        guard let command = arguments.first, usesFile, let table = OptionTable(command: command),
            table["config"] != nil
        else {
            (words, table, file) = (arguments, nil, nil)
            return
        }
        var given = Array(arguments.dropFirst())
        let values = table.values(in: given)
        file = try values["config"].map { try ConfigurationFile($0, table) }
        given = Self.joined((file?.options ?? []).flatMap(\.arguments), given, table)
        let settled = table.values(in: given)
        if settled["resume"] != nil, let run = settled["run"] {
            let stored = RunDirectory.storedArguments(run)
            guard stored.command == nil || stored.command == command else {
                throw Failure(
                    "\(run) is a run of crate \(stored.command ?? "")",
                    hint: "resume it with crate \(stored.command ?? "") --resume --run \(run)")
            }
            guard !stored.options.isEmpty || settled["data"] != nil || settled["debug"] != nil else {
                throw Failure("\(run) holds no run", hint: "check --run, or begin one with --data")
            }
            given = Self.joined(stored.options, given, table)
        }
        if settled["debug"] != nil { given = DebugDefaults.arguments(besides: table.values(in: given)) + given }
        self.words = [command] + given
        self.table = table
    }

    /// Options that bring others with them.
    private static let fileOptions: Set = ["--config", "--print-config", "--resume", "--debug"]

    private static func joined(_ earlier: [String], _ later: [String], _ table: OptionTable) -> [String] {
        table.arguments(earlier, givingWayTo: later) + later
    }

    /// Whether the options are only to be printed.
    var isPrinting: Bool { table?.values(in: words)["print-config"] != nil }

    /// Where the options are only to be printed, values for those that would have to be given, which the parser asks for.
    var standIns: [String] {
        guard isPrinting, let table else { return [] }
        let values = table.values(in: words)
        return table.required.filter { values[$0] == nil }.map { "--\($0)=x" }
    }

    /// What to store with a run: the subcommand, and all options but `names`, which belong to one start.
    func arguments(without names: Set<String>) -> [String] {
        let table = table ?? OptionTable(command: words.first ?? "")
        return words.prefix(1) + (table?.arguments(Array(words.dropFirst()), without: names) ?? [])
    }

    /// All options with their values, or those that they have where nothing is said, as a file that --config reads; what has no
    /// value is a comment.
    var asFile: String {
        guard let table, let command = words.first else { return "" }
        let values = table.values(in: words)
        let defaults = RecipeDefaults.ofCommands[command]?.values ?? [:]
        func standard(_ entry: OptionTable.Entry) -> String? {
            entry.isFlag
                ? "\(isOn(entry))"
                : table.hasRival(entry.name, in: values) ? nil : entry.defaultValue ?? defaults[entry.name]
        }
        var lines = ["# crate \(command) --config FILE"]
        var section: String?
        func isOn(_ flag: OptionTable.Entry) -> Bool {
            values["no-\(flag.name)"] == nil && flag.defaultValue == "--\(flag.name)"
        }
        for entry in table.entries where !["config", "print-config"].contains(entry.name) && !table.isOpposite(entry) {
            if let title = entry.sectionTitle, title != section {
                lines += ["", "# \(title)"]
                section = title
            }
            if let value = values[entry.name] ?? standard(entry) {
                lines.append("\(entry.name): \(Self.scalar(value))")
            } else {
                lines.append("# \(entry.name): not set")
            }
        }
        return lines.joined(separator: "\n") + "\n"
    }

    /// `text` as one YAML value.
    private static func scalar(_ text: String) -> String {
        let isPlain = text.wholeMatch(of: /[A-Za-z0-9.\/][A-Za-z0-9.\/_+-]*/) != nil && text.lowercased() != "null"
        guard !isPlain, let quoted = try? JSONEncoder().encode(text) else { return text }
        return String(decoding: quoted, as: UTF8.self)
    }
}
