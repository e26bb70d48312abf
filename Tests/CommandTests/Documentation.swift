import Foundation
import Testing

/// The commands and options in the documentation of this repository.
struct Documentation {
    /// A command in a code block.
    struct Command: CustomTestStringConvertible {
        /// The document, and the line in it.
        let document: String, line: Int
        /// The command as written, with line breaks if it is continued.
        let text: String

        var testDescription: String { "\(document):\(line): \(text)" }
        /// Its words without comments; continued lines are joined.
        var words: [String] {
            let lines = text.replacingOccurrences(of: "\\\n", with: " ").split(separator: "\n")
            let first = lines.first.map(String.init) ?? ""
            let end = first.range(of: " #")?.lowerBound ?? first.endIndex
            return first[..<end].split(separator: " ").map(String.init)
        }
    }

    static let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().path + "/../.."

    /// The paths of all documents: at the root, and next to data, runs and scripts.
    static let documents: [String] = ["", "Datasets/", "Checkpoints/", "Launch/", "Launch/configs/"].flatMap {
        directory in
        let names = (try? FileManager.default.contentsOfDirectory(atPath: "\(root)/\(directory)")) ?? []
        return names.filter { $0.hasSuffix(".md") }.sorted().map { directory + $0 }
    }

    /// The commands of code blocks, and the inline code.
    let commands: [Command], spans: [String]

    init(_ document: String) throws {
        self.init(text: try String(contentsOfFile: "\(Self.root)/\(document)", encoding: .utf8), document)
    }

    init(text: String, _ document: String) {
        var (commands, prose, block) = ([Command](), "", [(line: Int, text: String)]())
        var (fence, isAfterBlank): (language: Substring?, Bool) = (nil, true)
        func close(isShell: Bool?) {
            let isOne = isShell ?? block.first.map { Self.isCommand($0.text) } ?? false
            if isOne { commands += Self.commands(of: block, document) }
            block = []
        }
        for (index, line) in text.split(separator: "\n", omittingEmptySubsequences: false).enumerated() {
            if line.hasPrefix("```") {
                if let language = fence {
                    close(isShell: language.isEmpty ? nil : ["sh", "bash", "console", "shell"].contains(language))
                    fence = nil
                } else {
                    close(isShell: nil)
                    fence = line.dropFirst(3)
                }
            } else if fence != nil {
                block.append((index + 1, String(line)))
            } else if line.hasPrefix("    "), isAfterBlank || !block.isEmpty {
                block.append((index + 1, String(line.dropFirst(4))))
            } else {
                // A blank line inside an indented block only separates commands.
                if !line.isEmpty { close(isShell: nil) }
                prose += line + "\n"
            }
            isAfterBlank = line.isEmpty
        }
        close(isShell: nil)
        self.commands = commands
        spans = prose.matches(of: /`([^`]+)`/).map { $0.1.replacingOccurrences(of: "\n", with: " ") }
    }

    private static func isCommand(_ line: String) -> Bool {
        let first = line.split(separator: " ").first.map(String.init) ?? ""
        let names = ["crate", "mpirun", "swift", "sbatch", "curl", "md5sum", "tar", "python3", "bash", "source", "git"]
        return names.contains(first) || ["Launch/", ".ci/", ".build/", "Tests/"].contains { first.hasPrefix($0) }
            || first.contains(/^[A-Z_]+=/)
    }

    /// A line that ends in a backslash continues on the next one, and a line with `<<END` continues up to END.
    private static func commands(of block: [(line: Int, text: String)], _ document: String) -> [Command] {
        var (commands, open, end): ([Command], (line: Int, text: String)?, Substring?) = ([], nil, nil)
        for (line, text) in block {
            let joined = (line: open?.line ?? line, text: (open.map { $0.text + "\n" } ?? "") + text)
            if end == nil { end = text.firstMatch(of: /<<(\w+)/)?.1 }
            if text.hasSuffix("\\") || end != nil && text != end ?? "" {
                open = joined
                continue
            }
            (open, end) = (nil, nil)
            let isEmpty = joined.text.allSatisfy(\.isWhitespace) || joined.text.hasPrefix("#")
            if !isEmpty { commands.append(Command(document: document, line: joined.line, text: joined.text)) }
        }
        return commands
    }
}

/// The subcommands of the program with their options, from its own description.
struct ProgramOptions {
    private struct Description: Decodable {
        struct Command: Decodable {
            struct Argument: Decodable {
                struct Name: Decodable { let kind, name: String }
                let names: [Name]?
            }

            let commandName: String
            let arguments: [Argument]?
            let subcommands: [Command]?

            var options: Set<String> {
                let own = (arguments ?? []).flatMap { $0.names ?? [] }.filter { $0.kind == "long" }.map {
                    "--\($0.name)"
                }
                return (subcommands ?? []).reduce(Set(own)) { $0.union($1.options) }
            }
        }

        let command: Command
    }

    /// By subcommand.
    let options: [String: Set<String>]

    init() throws {
        let text = try crate(["--experimental-dump-help"]).output
        let program = try JSONDecoder().decode(Description.self, from: Data(text.utf8)).command
        let commands = program.subcommands ?? []
        try #require(Set(commands.map(\.commandName)).count == commands.count, "names are unique")
        options = Dictionary(
            uniqueKeysWithValues: commands.map { ($0.commandName, $0.options.union(["--help"])) })
    }

    /// The problems in `words`: subcommands and options that the program does not have.
    func problems(in words: [String]) -> [String] {
        var found: [String] = []
        for part in words.split(whereSeparator: { ["&&", "|", ";", ">"].contains($0) }).map(Array.init) {
            let callers = part.indices.filter {
                part[$0] == "crate" || part[$0].hasSuffix("/crate") || part[$0].hasPrefix("Launch/")
            }
            guard let place = part.indices.first(where: { options[part[$0]] != nil }) else {
                if let name = callers.last.flatMap({ part.dropFirst($0 + 1).first }),
                    part[callers.last!].hasSuffix("crate"),
                    name.contains(/^[a-z]/), name != "help"
                {
                    found.append("no subcommand \(name)")
                }
                continue
            }
            guard place == 0 || callers.contains(where: { $0 < place }) else { continue }
            for word in part[place...] where word.hasPrefix("--") {
                let name = String(word.prefix { $0 != "=" })
                if options[part[place]]?.contains(name) == false { found.append("\(part[place]) has no \(name)") }
            }
        }
        return found
    }
}
