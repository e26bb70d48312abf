import Foundation
import TestSupport
import Testing

/// Options from a file: the same run as from the command line, and a one-line error if the file is invalid.
@Suite(.serialized) struct ConfigurationFileTests {
    private func write(_ text: String, _ path: String) throws -> String {
        try Data(text.utf8).write(to: URL(fileURLWithPath: "\(path)/run.yaml"))
        return "\(path)/run.yaml"
    }

    @Test func fileIsEquivalentToTheCommandLine() throws {
        try withShards { path in
            let given = try crate(pretrainArguments(path, run: "given", ["--steps", "3"]))
            try #require(given.status == 0, "\(given.errors)")
            let file = try write(
                """
                data: "\(path)/train"
                run: \(path)/file
                dim: 48
                depth: 2
                heads: 3
                image-size: 32
                patch-size: 8
                norm-pix: true
                batch-size: 16
                lr: 1e-3
                epochs: 50   # given way to --steps
                """, path)
            let read = try crate(["pretrain", "--config", file, "--steps", "3"])
            try #require(read.status == 0, "\(read.errors)")
            #expect(try bytes("\(path)/given", step: 3) == bytes("\(path)/file", step: 3))
            // The stored options no longer need the file, and --steps is replaced by --epochs.
            try FileManager.default.removeItem(atPath: file)
            let resumed = try crate(["pretrain", "--run", "\(path)/file", "--resume", "--epochs", "2"])
            #expect(resumed.status == 0, "\(resumed.errors)")
            #expect(resumed.output.contains("holds 8 steps"), "\(resumed.output)")
        }
    }

    @Test func printedConfigurationCanBeReadBack() throws {
        try withTemporaryDirectory { path in
            let given = [
                "pretrain", "--data", "a b: #c", "--run=x", "--norm-pix", "--lr", "1e-3", "--save-every", "30min",
                "--print-config",
            ]
            let printed = try crate(given)
            #expect(printed.status == 0, "\(printed.errors)")
            for line in [
                #"data: "a b: #c""#, "norm-pix: true", "lr: 1e-3", "save-every: 30min", "mask-ratio: 0.75",
                "tensorboard: true", "batch-size: 4096", "epochs: 800", "lambda: 0.5", "# blr: not set",
            ] {
                #expect(printed.output.split(separator: "\n").contains(Substring(line)), "\(printed.output)")
            }
            let file = try write(printed.output, path)
            #expect(try crate(["pretrain", "--config", file, "--print-config"]).output == printed.output)
            // Later options override those of the file, including a flag's opposite.
            let other = try crate(
                [
                    "pretrain", "--config", file, "--print-config", "--no-norm-pix", "--batch-size=7", "--blr", "1",
                    "--no-tensorboard",
                ])
            for line in ["norm-pix: false", "tensorboard: false", "batch-size: 7", "blr: 1", "# lr: not set"] {
                #expect(other.output.split(separator: "\n").contains(Substring(line)), "\(other.output)")
            }
            #expect(!FileManager.default.fileExists(atPath: "x"), "printing starts nothing")
            // Required options are left out.
            let open = try crate(["finetune", "--print-config"])
            #expect(open.status == 0 && open.output.contains("# from: not set"), "\(open.errors)")
            #expect(open.output.contains("# data: not set") && open.output.contains("layer-decay: 0.75"))
        }
    }

    @Test(arguments: [
        ("batch_size: 3", "unknown option `batch_size`; did you mean `batch-size`?"),
        ("xyzzy: 3", "unknown option `xyzzy`"), ("config: other.yaml", "unknown option `config`"),
        ("norm-pix: 3", "norm-pix is `3`, but takes true or false"),
        ("batch-size: many", "batch-size: The value 'many' is invalid"),
        ("keep-every: 0", "keep-every: --keep-every takes a whole number from 1"),
        ("epochs:", "epochs has no value"), ("epochs: [1, 2]", "epochs has more than one value"),
        ("model: immense", "model: The value 'immense' is invalid"), ("epochs: 1\nepochs: 2", "duplicated key"),
        ("- epochs", "is no mapping"), ("epochs: [1", "is no YAML"),
    ]) func invalidFileIsReportedInOneLine(text: String, problem: String) throws {
        try withTemporaryDirectory { path in
            let result = try crate(
                ["pretrain", "--data", "x", "--run", "y", "--config", try write(text, path)],
                ranks: text.hasPrefix("-") ? 2 : nil)
            #expect(result.status == 1)
            #expect(result.failureLines.count == 1, "\(result.errors)")
            #expect(result.failureLines.first?.contains("run.yaml") == true, "\(result.errors)")
            #expect(result.failureLines.first?.contains(problem) == true, "\(result.errors)")
        }
    }

    /// Editors on Windows write a byte order mark and other line ends.
    @Test func fileOfWindowsIsRead() throws {
        try withTemporaryDirectory { path in
            let file = try write("\u{FEFF}batch-size: 7\r\nsteps: 3\r\n", path)
            let printed = try crate(["pretrain", "--config", file, "--print-config"])
            #expect(printed.status == 0, "\(printed.errors)")
            for line in ["batch-size: 7", "steps: 3"] {
                #expect(printed.output.split(separator: "\n").contains(Substring(line)), "\(printed.output)")
            }
        }
    }

    @Test func missingFileIsReported() throws {
        let result = try crate(["pretrain", "--config", "/nonexistent.yaml"])
        #expect(result.status == 1 && result.failureLines.first?.contains("/nonexistent.yaml") == true)
    }

    /// Every file of Launch/configs is complete, with consistent sizes.
    @Test func includedFilesAreValid() throws {
        let directory = URL(fileURLWithPath: #filePath).deletingLastPathComponent().path + "/../../Launch/configs"
        let files = try FileManager.default.contentsOfDirectory(atPath: directory).filter { $0.hasSuffix(".yaml") }
        #expect(files.count >= 5)
        for file in files {
            let printed = try crate(["pretrain", "--config", "\(directory)/\(file)", "--print-config"])
            #expect(printed.status == 0, "\(file): \(printed.errors)")
            let text = try String(contentsOfFile: "\(directory)/\(file)", encoding: .utf8)
            for line in text.split(separator: "\n") where !line.hasPrefix("#") {
                let value = try #require(line.split(separator: " ").dropFirst().first, "\(file): \(line)")
                let said = line.prefix { $0 != " " } + " " + value
                #expect(printed.output.split(separator: "\n").contains(said), "\(file): \(said)")
            }
        }
    }
}
