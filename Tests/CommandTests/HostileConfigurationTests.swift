import Foundation
import TestSupport
import Testing

/// Configuration files that were written to do harm, and values that are hard to write down.
@Suite struct HostileConfigurationTests {
    private func nested(_ levels: Int, _ open: String, _ close: String) -> String {
        String(repeating: open, count: levels) + String(repeating: close, count: levels)
    }

    /// Each level names the one before it twice, so that the last stands for 2^60 values.
    private func aliases(inKeys: Bool) -> String {
        let levels = (1...60).map { "&a\($0) [*a\($0 - 1), *a\($0 - 1)]" }
        let list = ["&a0 x"] + levels
        return inKeys ? "? [\(list.joined(separator: ", "))]\n: 1\n" : "epochs: [\(list.joined(separator: ", "))]\n"
    }

    private var files: [(name: String, text: String, problem: String)] {
        let megabyte = String(repeating: "a", count: 1 << 20)
        let key = String(repeating: "k", count: 60_000)
        let half = key.prefix(30_000)
        return [
            ("aliases in a key", aliases(inKeys: true), "repeats a value by its name"),
            ("aliases in a value", aliases(inKeys: false), "repeats a value by its name"),
            ("a merged mapping", "a: &a {epochs: 1}\n<<: *a\n", "repeats a value by its name (*a)"),
            ("an alias alone", "epochs: *a\n", "undefined alias"),
            ("a key of a megabyte", "\(megabyte): 1\n", "more than the 65536"),
            ("a value of a megabyte", "run: \(megabyte)\n", "more than the 65536"),
            ("a long key", "? \(key)\n: 1\n", "unknown option `kkk"),
            ("a long value", "epochs: \(key)\n", "epochs: The value 'kkk"),
            ("a long value of a flag", "norm-pix: \(key)\n", "norm-pix is `kkk"),
            ("a long line that is no YAML", "epochs: [\"\(key)\"\n", "is no YAML"),
            ("a long key twice", "? \(half)\n: 1\n? \(half)\n: 2\n", "duplicated key kkk"),
            ("a number of many digits", "epochs: \(String(repeating: "9", count: 60_000))\n", "epochs: The value"),
            ("a number of many parts", "? \(String(repeating: "1:", count: 30_000))x\n: 1\n", "unknown option"),
            ("deep lists", nested(30_000, "[", "]"), "is no"), ("deep keys", nested(30_000, "{", "}"), "is no"),
            ("keys of keys", String(repeating: "? ", count: 900) + "x\n", "key that is no name"),
            ("lists of lists", String(repeating: "- ", count: 900) + "x\n", "is no mapping"),
            ("many keys", (0..<6000).map { "k\($0): 1\n" }.joined(), "unknown option `k0`"),
            ("a tag", "epochs: !!int many\n", "epochs: The value 'many'"),
            ("binary", "epochs: !!binary aGVsbG8=\n", "epochs: The value"),
            ("an unknown tag", "epochs: !<tag:x,\(key)> 1.5\n", "epochs: The value"),
            ("two documents", "epochs: 1\n---\nepochs: 2\n", "is no YAML"),
            ("a NUL", "epochs: 1\u{0}\n", "control characters"), ("escape sequences", "\u{1B}[2J: 1\n", "is no YAML"),
            ("escaped escapes", "\"\\e[2J\": 1\n", "unknown option `\\u{1b}[2J`"),
        ]
    }

    @Test func hostileFilesAreRefusedInOneShortLine() throws {
        try withTemporaryDirectory { path in
            let file = "\(path)/run.yaml"
            for (name, text, problem) in files {
                try Data(text.utf8).write(to: URL(fileURLWithPath: file))
                try expectRefusal(of: file, name, problem)
            }
            try Data([0xFF, 0xFE, 0x00, 0xD8, 0x41]).write(to: URL(fileURLWithPath: file))
            try expectRefusal(of: file, "no text", "is no UTF-8 text")
            #expect(mkfifo("\(path)/fifo", 0o600) == 0)
            try expectRefusal(of: "\(path)/fifo", "a FIFO", "is not a regular file")
            try expectRefusal(of: "/dev/zero", "a device", "is not a regular file")
            try expectRefusal(of: path, "a directory", "is not a regular file")
        }
    }

    /// The limits of memory and processor time are far from what a file of a few kilobytes takes.
    private func expectRefusal(of file: String, _ name: String, _ problem: String) throws {
        let script = #"ulimit -v 4000000 -t 10; exec "$@""#
        let result = try run([
            "timeout", "60", "bash", "-c", script, "bash", program, "pretrain", "--data", "x", "--run", "y", "--config",
            file,
        ])
        #expect(result.status == 1, "\(name): exit code \(result.status)")
        let lines = result.errors.split(separator: "\n")
        #expect(lines.count == 1 && result.errors.utf8.count < 1500, "\(name): \(result.errors.prefix(3000))")
        #expect(result.errors.contains(problem), "\(name): \(result.errors.prefix(3000))")
        #expect(result.errors.utf8.allSatisfy { $0 >= 32 || $0 == 10 }, "\(name)")
    }

    /// Random bytes and random pieces of YAML: an exit code of the program's own, never a signal.
    @Test func randomFilesNeverCrash() throws {
        let pieces = [
            "epochs", ": ", "\n", "- ", "? ", "[", "]", "{", "}", ",", "&a ", "*a", "!!str ", "!<x> ", "|", ">", "'",
            "\"",
            "\\", "\\u", "# ", "%YAML 1.1\n", "---\n", "...\n", "\t", "  ", "1e3", "~", "<<", "=", "\u{85}", "\u{2028}",
            "\u{FEFF}", "é", "\u{0}",
        ]
        var generator = SplitMix(state: 1)
        try withTemporaryDirectory { path in
            for round in 0..<60 {
                let text = (0..<Int.random(in: 1...40, using: &generator)).map { _ in
                    pieces.randomElement(using: &generator)!
                }.joined()
                let bytes =
                    round % 4 == 0
                    ? Data((0..<200).map { _ in UInt8.random(in: 0...255, using: &generator) }) : Data(text.utf8)
                try bytes.write(to: URL(fileURLWithPath: "\(path)/run.yaml"))
                let result = try crate(["pretrain", "--config", "\(path)/run.yaml", "--print-config"], seconds: 30)
                #expect([0, 1, 64].contains(result.status), "\(result.status): \(text.debugDescription)")
            }
        }
    }

    /// Every value that an argument can have is printed so that it is read as the same value.
    @Test func printedValuesAreReadBackExactly() throws {
        let controls = Array(1..<0x21) + Array(0x7F...0xA1)
        let marks = [
            0x300, 0x61C, 0x2028, 0x2029, 0x202E, 0x2066, 0xE000, 0xFEFF, 0xFFFD, 0xFFFE, 0xFFFF, 0x1F600, 0x1FFFE,
        ]
        let scalars =
            (controls + marks + Array(UInt8(ascii: "!")...UInt8(ascii: "/")).map(Int.init)
            + [0x3A, 0x3F, 0x40, 0x5B, 0x5C, 0x5D, 0x60, 0x7B, 0x7D, 0xE9]).compactMap { Unicode.Scalar($0) }.map {
                String($0)
            }
        let words = [
            "", " ", "true", "no", "null", "Null", "~~", "~a", "1e3", "0x10", "0o7", ".inf", "1:30", "2020-01-01", "<<",
            "=",
            "---",
            "...", "'", "''", "\"", "\"\"", "\\", "\\n", "a: b", "a #b", "- a", "? a", "[a", "{a", "!a", "!!str a",
            "%a", "@a",
            "&a *a", "| a", "> a", "\r\n", "a\n\nb", "a ", " a", "--x=y", "x=y", "=x",
        ]
        let values = words + scalars.flatMap { [$0, "a\($0)b", "\($0)b"] }
        let names = ["data", "validation", "run"]
        try withTemporaryDirectory { path in
            for start in stride(from: 0, to: values.count, by: names.count) {
                let given = names.indices.map { values[(start + $0) % values.count] }
                // A value with a dash in front is given in one word.
                let arguments = zip(names, given).flatMap { $1.hasPrefix("-") ? ["--\($0)=\($1)"] : ["--\($0)", $1] }
                let printed = try crate(["pretrain", "--print-config"] + arguments)
                try #require(printed.status == 0, "\(given): \(printed.errors)")
                #expect(printed.output.utf8.allSatisfy { $0 >= 32 && $0 != 127 || $0 == 10 })
                for (name, value) in zip(names, given) {
                    let line = printed.output.split(separator: "\n").first { $0.hasPrefix("\(name): ") } ?? ""
                    let shown = try unescaped(String(line.dropFirst(name.count + 2)))
                    #expect(bytes(shown) == bytes(value), "\(line)")
                }
                try Data(printed.output.utf8).write(to: URL(fileURLWithPath: "\(path)/run.yaml"))
                let read = try crate(["pretrain", "--config", "\(path)/run.yaml", "--print-config"])
                #expect(read.status == 0 && bytes(read.output) == bytes(printed.output), "\(given): \(read.errors)")
            }
        }
    }

    /// A scalar in quotes without them and its escapes, by JSON's rules for those that it has; another as it is.
    private func unescaped(_ scalar: String) throws -> String {
        guard scalar.hasPrefix("\"") else { return scalar }
        let text = scalar.replacing(/\\x(..)/) { "\\u00\($0.1)" }
            .replacing(/\\U(........)/) {
                UInt32($0.1, radix: 16).flatMap { Unicode.Scalar($0) }.map(String.init) ?? ""
            }
        return try JSONDecoder().decode(String.self, from: Data(text.utf8))
    }

    /// Strings that mean the same letters are equal in Swift; bytes are not.
    private func bytes(_ text: String) -> [UInt8] { Array(text.utf8) }
}

/// Steele, Lea and Flood's generator: the same numbers in every run.
private struct SplitMix: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var value = state
        value = (value ^ (value >> 30)) &* 0xBF58_476D_1CE4_E5B9
        value = (value ^ (value >> 27)) &* 0x94D0_49BB_1331_11EB
        return value ^ (value >> 31)
    }
}
