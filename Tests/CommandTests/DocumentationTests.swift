import Foundation
import TestSupport
import Testing

/// Runs every command in the documentation, in order, long ones in a short form.
@Suite(.serialized) struct DocumentationTests {
    /// What to do with a command that matches a pattern; the first match counts.
    private enum Treatment {
        /// Run it with changed or additional options.
        case run((String) -> String)
        /// Do not run it, but check that its script exists and is valid.
        case script
        /// Do not run it, for the given reason.
        case leave(String)
    }

    /// Long commands, and how they are shortened. Commands that match nothing run as written.
    private let table: [(pattern: String, Treatment)] = [
        (#"^(curl|md5sum) "#, .leave("downloads from the network")),
        (#"^python3 (-m pip|> names.txt)"#, .leave("needs scipy; names.txt exists already")),
        (#"^swift (build|test|format|package)"#, .leave("would run the tests again")),
        (#"^tensorboard "#, .leave("is a server")),
        (#"^git "#, .leave("acts on the clone")),
        (#"^export "#, .leave("changes the shell environment")),
        (
            #"^(sbatch|\.ci/run|Launch/(demo|test|benchmark|benchmark-data|build|chaos|claims|setup|sanitize|docs|quality))\b"#,
            .script
        ),
        (#"^Launch/cluster "#, .run { replacing("Launch/cluster ", in: $0, by: "Launch/cluster --dry-run ") }),
        (#"crate synthesize "#, .run { replacing(#"--images \d+"#, in: $0, by: "--images 32") }),
        (#"crate doctor"#, .run { $0 + " --seconds 0.2" }),
        (#"crate pretrain --debug"#, .run { $0 + " --dim 16 --depth 1 --heads 2" }),
        (#"crate \w+ --config "#, .run { brief($0) + " --virtual-ranks 2 --warmup-epochs 0" }),
        (
            #"crate (bench|plan) .*bench\.json"#,
            .run { shortened($0, " --dim 48 --depth 1 --heads 3 --image-size 32 --patch-size 8 --threads 1") }
        ),
        (#"crate bench "#, .run { $0 + " --steps 1 --batch-size 4 --dim 48 --depth 1 --heads 3 --threads 1" }),
        (#"crate finetune "#, .run { $0 + " --batch-size 8 --steps 2" }),
        (#"crate (pretrain|train) "#, .run { brief($0) }),
    ]

    @Test(arguments: Documentation.documents)
    func everyOptionAndSubcommandIsKnown(document: String) throws {
        let (documentation, program) = (try Documentation(document), try ProgramOptions())
        for command in documentation.commands {
            #expect(program.problems(in: command.words).isEmpty, "\(command.testDescription)")
        }
        let known = program.options.values.reduce(try scriptOptions()) { $0.union($1) }
        for span in documentation.spans {
            let words = span.split(separator: " ").map(String.init)
            #expect(program.problems(in: words).isEmpty, "\(document): `\(span)`")
            for word in words where span.hasPrefix("--") && word.hasPrefix("--") {
                #expect(known.contains(String(word.prefix { $0 != "=" })), "\(document): `\(span)`")
            }
        }
    }

    @Test(arguments: Documentation.documents)
    func everyCommandRuns(document: String) throws {
        let commands = try Documentation(document).commands
        guard !commands.isEmpty else { return }
        try withTemporaryDirectory { path in
            try DocumentedPlace(path).prepare(for: commands.map(\.text).joined(separator: "\n"))
            for command in commands { try run(command, in: path) }
        }
    }

    /// Commands are found as a reader would find them, and wrong ones are detected.
    @Test func wrongCommandIsDetected() throws {
        let text = """
            Some `crate pretrain --no-such 1`, prose.

                crate shard a b \\
                    --encoding png   # a comment --none
                crate nosuch

            ```sh
            mpirun -n 2 crate evaluate --data x && crate verify --nothing
            ```

            ```python
            crate = 1
            ```

                DIR/file   no command
            """
        let (documentation, program) = (Documentation(text: text, "x.md"), try ProgramOptions())
        #expect(documentation.spans == ["crate pretrain --no-such 1"])
        #expect(documentation.commands.map(\.line) == [3, 5, 8])
        let problems = documentation.commands.map { program.problems(in: $0.words) }
        #expect(problems == [[], ["no subcommand nosuch"], ["verify has no --nothing"]])
        #expect(program.problems(in: ["crate", "pretrain", "--no-such", "1"]) == ["pretrain has no --no-such"])
        #expect(try Documentation("README.md").commands.count > 10)
    }

    private func run(_ command: Documentation.Command, in path: String) throws {
        var text = command.text
        switch table.first(where: { text.range(of: $0.pattern, options: .regularExpression) != nil })?.1 {
        case .leave: return
        case .script: return try checkScript(command)
        case .run(let change): text = changed(text, change)
        case nil: break
        }
        text = replacing(
            #"mpirun -n \d+( --map-by \S+| --bind-to none)*"#, in: text,
            by: "mpirun -n 2 --oversubscribe --bind-to none")
        var environment = ProcessInfo.processInfo.environment
        environment["PATH"] = "\(path)/bin:" + (environment["PATH"] ?? "")
        environment["CRATE"] = program
        for name in ["OMPI_ALLOW_RUN_AS_ROOT", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM", "OMPI_MCA_mpi_yield_when_idle"] {
            environment[name] = "1"
        }
        let script = "set -e -o pipefail; cd '\(path)'; \(text)"
        let result = try CommandTests.run(["timeout", "60", "bash", "-c", script], environment: environment)
        #expect(result.status == 0, "\(command.testDescription)\nran as: \(text)\n\(result.errors)\(result.output)")
    }

    /// Applies `change` to the command itself, not to a comment, pipe or redirection after it.
    private func changed(_ text: String, _ change: (String) -> String) -> String {
        let end = text.range(of: " +(#|\\||>|&&)", options: .regularExpression)?.lowerBound ?? text.endIndex
        return change(String(text[..<end])) + text[end...]
    }

    private func checkScript(_ command: Documentation.Command) throws {
        let isScript = { (word: String) in word.hasPrefix("Launch/") || word.hasPrefix(".ci/") }
        let script = try #require(command.words.first(where: isScript), "\(command.testDescription)")
        let path = "\(Documentation.root)/\(script)"
        #expect(FileManager.default.isExecutableFile(atPath: path), "\(command.testDescription)")
        let text = try String(contentsOfFile: path, encoding: .utf8)
        let isPython = text.hasPrefix("#!/usr/bin/env python3")
        let check =
            isPython ? ["python3", "-c", "import ast, sys; ast.parse(open(sys.argv[1]).read())"] : ["bash", "-n"]
        let result = try CommandTests.run(check + [path])
        #expect(result.status == 0, "\(command.testDescription) \(result.errors)")
        for word in command.words where word.hasPrefix("--") && command.words.first == script {
            #expect(text.contains(word.prefix { $0 != "=" }), "\(command.testDescription): \(script) has no \(word)")
        }
    }

    /// Options of scripts and of other programs that occur in the documentation.
    private func scriptOptions() throws -> Set<String> {
        let files = FileManager.default
        var options: Set = [
            "--map-by", "--bind-to", "--oversubscribe", "--mca", "--hostfile", "--help", "--version", "--strict",
            "--filter",
            "--generate-completion-script",
        ]
        for directory in ["Launch", "Tests/Cluster", "Checkpoints/crate_checkpoint"] {
            for name in try files.contentsOfDirectory(atPath: "\(Documentation.root)/\(directory)") {
                let text = try? String(contentsOfFile: "\(Documentation.root)/\(directory)/\(name)", encoding: .utf8)
                for match in (text ?? "").matches(of: /--[a-z][a-z0-9-]+/) { options.insert(String(match.0)) }
            }
        }
        // Its tables have options of other programs on the left and ours on the right.
        let migrating = try String(contentsOfFile: "\(Documentation.root)/Checkpoints/migrating.md", encoding: .utf8)
        for row in migrating.split(separator: "\n") where row.hasPrefix("|") {
            let left = row.dropFirst().prefix { $0 != "|" }
            for match in left.matches(of: /--[a-z][a-z_-]+/) { options.insert(String(match.0)) }
        }
        return options
    }
}

private func replacing(_ pattern: String, in text: String, by other: String) -> String {
    text.replacingOccurrences(of: pattern, with: other, options: .regularExpression)
}

/// Shortens a command to two steps of a small model.
private func brief(_ command: String) -> String {
    replacing(#"--epochs \d+"#, in: command, by: "--steps 2") + " --dim 16 --depth 1 --heads 2 --batch-size 8"
        + (command.contains("--epochs") ? "" : " --steps 2")
}

private func shortened(_ command: String, _ model: String) -> String {
    command + model + (command.contains("crate bench") ? " --steps 1 --batch-size 4" : "")
}
