import Base
import Foundation

/// The settings of a run: what `config.json` in the run directory holds.
package struct RunSettings: Codable, Equatable, Sendable {
    /// The subcommand that began the run; nil where weights were imported.
    package var command: String?
    /// Every option that has a value, by its name without dashes; a flag is `true` or `false`. A resume takes those that it is
    /// not given, and `--config` reads them.
    package var options: [String: String]
    /// Everything that decides what the run computes, by the names of the options where there is one, with all defaults and sizes of
    /// the data filled in. A resume must agree with it, but for `TrainingConfiguration.changeable`.
    package var resolved: [String: String]

    package init(command: String?, options: [String: String], resolved: [String: String] = [:]) {
        self.command = command
        self.options = options
        self.resolved = resolved
    }

    /// The settings of the run in `directory`; nil where it has none. Throws `Failure` where the file cannot be read as such.
    package static func read(run directory: String) throws -> RunSettings? {
        let path = RunFile.configuration.path(in: directory)
        guard access(path, F_OK) == 0 else {
            return legacyOptions(directory).map { RunSettings(command: $0.command, options: $0.options) }
        }
        let data = Data(try RegularFile.contents(of: path))
        if let settings = try? JSONDecoder().decode(RunSettings.self, from: data) { return settings }
        guard let legacy = legacyOptions(directory) else {
            throw Failure("\(path) is damaged", hint: "restore it, or change --run")
        }
        return RunSettings(command: legacy.command ?? "pretrain", options: legacy.options)
    }

    /// Whether they are those of imported weights, which no run has taken up yet.
    package var isImport: Bool { command == nil && resolved.isEmpty }

    /// Writes the settings into the run `directory`. Throws `Failure` with the system's reason.
    package func write(run directory: String) throws {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        try DurableFile.write([UInt8](encoder.encode(self)), to: RunFile.configuration.path(in: directory))
        try? FileManager.default.removeItem(atPath: Self.legacyArguments(directory))
    }

    /// Runs of version 0.1 have the words of the command line in a file of their own.
    private static func legacyArguments(_ directory: String) -> String { "\(directory)/arguments.json" }

    private static func legacyOptions(_ directory: String) -> (command: String?, options: [String: String])? {
        guard let bytes = try? RegularFile.contents(of: legacyArguments(directory)),
            var words = try? JSONDecoder().decode([String].self, from: Data(bytes))
        else { return nil }
        let command = words.first.flatMap { $0.hasPrefix("-") ? nil : $0 }
        if command != nil { words.removeFirst() }
        var options: [String: String] = [:]
        for (index, word) in words.enumerated() where word.hasPrefix("--") {
            let parts = word.dropFirst(2).split(separator: "=", maxSplits: 1).map(String.init)
            let next = words.indices.contains(index + 1) ? words[index + 1] : "--"
            let value = parts.count > 1 ? parts[1] : next.hasPrefix("--") ? "true" : next
            let isNegated = value == "true" && parts[0].hasPrefix("no-")
            options[isNegated ? String(parts[0].dropFirst(3)) : parts[0]] = isNegated ? "false" : value
        }
        return (command, options)
    }
}
