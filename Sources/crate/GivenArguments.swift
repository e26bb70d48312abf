import Base
import Checkpoints
import Foundation

/// The arguments of the program, with options from files in front of the given ones, which take precedence.
struct GivenArguments {
    /// The subcommand and its arguments.
    let words: [String]
    let table: OptionTable?
    /// The file of --config.
    let file: ConfigurationFile?

    /// Read once, so that a file that changes meanwhile is read consistently.
    static let ofProcess = Result { try GivenArguments(Array(CommandLine.arguments.dropFirst())) }

    /// `arguments` are without the program's name. Throws `Failure` if --config names no such file.
    init(_ arguments: [String]) throws {
        // Most commands use no file, and need no table.
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
            let stored = try RunSettings.read(run: run)
            if let other = stored?.command, other != command {
                throw Failure(
                    "\(run) is a run of crate \(other)", hint: "resume it with crate \(other) --resume --run \(run)")
            }
            guard stored != nil || settled["data"] != nil || settled["debug"] != nil else {
                throw Failure("\(run) holds no run", hint: "check --run, or begin one with --data")
            }
            let path = RunFile.configuration.path(in: run)
            // --debug replaces stored values that are defaults.
            let written = stored?.options ?? [:]
            let options = written.filter { name, value in
                let standard = RecipeDefaults.value(of: name, command: command, given: written)
                return settled["debug"] == nil || value != table[name]?.defaultValue ?? standard
            }
            let words = try ConfigurationFile.arguments(options, in: path, table)
            given = Self.joined(words, given, table)
        }
        if settled["debug"] != nil { given = DebugDefaults.arguments(besides: table.values(in: given)) + given }
        self.words = [command] + given
        self.table = table
    }

    /// Refuses `~/...`, which a shell expands only at the start of a word, and nobody in a configuration file: it would be a directory
    /// of that name, which people then remove together with their home.
    func requireExpandedPaths() throws {
        func value(_ word: String) -> Substring {
            word.hasPrefix("--") ? word.split(separator: "=", maxSplits: 1).dropFirst().first ?? "" : word[...]
        }
        guard let word = words.first(where: { value($0) == "~" || value($0).hasPrefix("~/") }) else { return }
        throw Failure(
            "\(value(word)) is not expanded to a home directory here", hint: "write the whole path instead of ~")
    }

    /// Options that bring others with them.
    private static let fileOptions: Set = ["--config", "--print-config", "--resume", "--debug"]

    private static func joined(_ earlier: [String], _ later: [String], _ table: OptionTable) -> [String] {
        table.arguments(earlier, givingWayTo: later) + later
    }

    /// Whether to print the options only.
    var isPrinting: Bool { table?.values(in: words)["print-config"] != nil }

    /// With --print-config, values for required options that are missing.
    var standIns: [String] {
        guard isPrinting, let table else { return [] }
        let values = table.values(in: words)
        return table.required.filter { values[$0] == nil }.map { "--\($0)=x" }
    }

    /// The settings to store with a run: the subcommand, and all options with a value except `names`, which belong to one start.
    func settings(without names: Set<String>) -> RunSettings {
        guard let command = words.first, let table = table ?? OptionTable(command: command) else {
            return RunSettings(command: words.first, options: [:])
        }
        let values = table.entries.filter { !names.contains($0.name) && !table.isOpposite($0) }
            .compactMap { entry in value(of: entry, table, command).map { (entry.name, $0) } }
        return RunSettings(command: command, options: Dictionary(uniqueKeysWithValues: values))
    }

    /// What has to be equal on all ranks, by names of options: everything except paths, which may differ from node to node, and what concerns
    /// one process. Of paths and words without an option, the number has to be equal.
    var sharedSettings: [String: String] {
        guard let command = words.first, let table = table ?? OptionTable(command: command) else { return [:] }
        let arguments = Array(words.dropFirst())
        let (lists, others) = table.lists(in: arguments)
        var settings = settings(without: Set(table.entries.filter(\.isLocal).map(\.name))).options
        // The default depends on the processor.
        if lists["products"] == nil { settings["products"] = nil }
        for entry in table.entries where entry.isRepeating && !entry.isFlag {
            guard let list = lists[entry.name] else { continue }
            settings[entry.name] = entry.isLocal ? counted(list.count, "path") : list.joined(separator: " ")
        }
        settings["number of arguments"] = "\(others)"
        return settings
    }

    /// The given value of an option, or its default unless another option takes its place.
    private func value(of entry: OptionTable.Entry, _ table: OptionTable, _ command: String) -> String? {
        let values = table.values(in: Array(words.dropFirst()))
        if let given = values[entry.name] { return given }
        if entry.isFlag { return "\(values["no-\(entry.name)"] == nil && entry.defaultValue == "--\(entry.name)")" }
        if table.hasRival(entry.name, in: values) { return nil }
        return entry.defaultValue ?? RecipeDefaults.value(of: entry.name, command: command, given: values)
    }

    /// All options with their values or defaults, as a file that --config reads; options without a value are comments.
    var asFile: String {
        guard let table, let command = words.first else { return "" }
        var lines = ["# crate \(command) --config FILE"]
        var section: String?
        for entry in table.entries where !["config", "print-config"].contains(entry.name) && !table.isOpposite(entry) {
            if let title = entry.sectionTitle, title != section {
                lines += ["", "# \(title)"]
                section = title
            }
            if let value = value(of: entry, table, command) {
                lines.append("\(entry.name): \(ConfigurationText.scalar(value))")
            } else {
                lines.append("# \(entry.name): not set")
            }
        }
        return lines.joined(separator: "\n") + "\n"
    }
}
