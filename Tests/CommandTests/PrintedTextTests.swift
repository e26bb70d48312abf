import Foundation
import Shards
import TestSupport
import Testing

/// What commands print of names from outside: one short line that cannot steer a terminal.
@Suite struct PrintedTextTests {
    /// Clears the screen, sets the title of the window, moves the cursor, reverses the text.
    private let hostile = "x\u{1B}[2J\u{1B}]0;title\u{7}\u{9B}31m\r\n\u{202E}y"

    private func expectPrintable(_ result: CommandResult, _ context: String) {
        for (name, text) in [("output", result.output), ("errors", result.errors)] {
            let isClean = text.unicodeScalars.allSatisfy { scalar in
                scalar == "\n" || !(scalar.properties.generalCategory == .control || scalar.value == 0x202E)
            }
            #expect(isClean, "\(context): \(name): \(text.debugDescription.prefix(2000))")
            #expect(text.utf8.count < 30_000, "\(context): \(name) has \(text.utf8.count) bytes")
        }
    }

    /// Changes the index of the shards in `directory`.
    private func edit(_ directory: String, _ change: (inout [String: Any]) -> Void) throws {
        let file = URL(fileURLWithPath: "\(directory)/index.json")
        var index = try #require(try JSONSerialization.jsonObject(with: Data(contentsOf: file)) as? [String: Any])
        change(&index)
        try JSONSerialization.data(withJSONObject: index).write(to: file)
    }

    @Test func namesOfClassesAndFilesAreEscaped() throws {
        try withShards(train: 8, validation: 4) { path in
            let huge = String(repeating: "k", count: 1 << 20)
            try edit("\(path)/train") { $0["classes"] = [hostile, huge, "c", "d"] }
            let inspected = try crate(["inspect", "\(path)/train"])
            #expect(inspected.status == 0 && inspected.output.contains("x\\u{1b}[2J"), "\(inspected.errors)")
            expectPrintable(inspected, "inspect")

            let directory = "\(path)/\(hostile)"
            try FileManager.default.moveItem(atPath: "\(path)/val", toPath: directory)
            expectPrintable(try crate(["inspect", directory]), "inspect of a directory")
            expectPrintable(try crate(["verify", directory]), "verify of a sound directory")
            try Data("damage".utf8).write(to: URL(fileURLWithPath: "\(directory)/shard-00000.h5"))
            let damaged = try crate(["verify", directory])
            #expect(damaged.status == 1)
            expectPrintable(damaged, "verify of a damaged directory")
            expectPrintable(try crate(["doctor", "--seconds", "0.1", directory]), "doctor")
            expectPrintable(
                try crate(["synthesize", "\(path)/new\(hostile)", "--images", "2", "--classes", "1"]), "new")
        }
    }

    @Test func pathsOfRunsAreEscaped() throws {
        try withShards(train: 16, validation: 4) { path in
            let trained = try crate(
                pretrainArguments(path, run: hostile, ["--steps", "1", "--validation", "\(path)/val"]))
            try #require(trained.status == 0, "\(trained.errors)")
            expectPrintable(trained, "pretrain")
            let run = "\(path)/\(hostile)"
            for arguments in [
                ["checkpoint", "list", run], ["checkpoint", "verify", run], ["report", run],
                ["evaluate", "--checkpoint", run, "--data", "\(path)/val"],
                ["analyze", "--checkpoint", run, "--data", "\(path)/val", "--images", "2"],
                ["export", "--checkpoint", run, "--output", "\(path)/\(hostile).safetensors"],
                ["features", "--checkpoint", run, "--data", "\(path)/val", "--output", "\(path)/f\(hostile).h5"],
            ] {
                let result = try crate(arguments)
                #expect(result.status == 0, "\(arguments[0]): \(result.errors)")
                expectPrintable(result, arguments[0])
            }
            let checkpoint = "\(run)/checkpoints/step-0000000001"
            try Data("{\"\(huge)\": ".utf8).write(to: URL(fileURLWithPath: "\(checkpoint)/manifest.json"))
            let damaged = try crate(["checkpoint", "verify", run])
            #expect(damaged.status == 1 && damaged.output.contains("damaged"))
            expectPrintable(damaged, "checkpoint verify of a damaged checkpoint")
            expectPrintable(try crate(["checkpoint", "list", run]), "checkpoint list of a damaged checkpoint")
        }
    }

    private var huge: String { String(repeating: "h", count: 100_000) }

    /// The argument parser repeats what it refuses.
    @Test func refusedArgumentsAreEscapedAndShortened() throws {
        for text in [hostile, huge] {
            for arguments in [
                ["pretrain", "--\(text)"], ["pretrain", "--batch-size", text], ["pretrain", "--batch-size=\(text)"],
                ["verify", "a", text], ["checkpoint", text], [text], ["pretrain", "--model", text],
                ["pretrain", "--config", text],
                ["attention", "--heads", text, "--checkpoint", "a", "--output", "b", "c"],
                ["evaluate", "--checkpoint", text, "--data", text], ["help", text],
            ] {
                let result = try crate(arguments)
                if arguments[0] != "help" { #expect(result.status != 0) }
                expectPrintable(result, "\(arguments.map { $0.prefix(20) })")
                #expect(result.errors.utf8.count < 10_000, "\(arguments[0])")
            }
        }
    }
}
