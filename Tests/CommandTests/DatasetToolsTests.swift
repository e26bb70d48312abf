import Foundation
import TestSupport
import Testing

/// `crate shard --dry-run`, `split`, `merge` and `unshard` on the command line.
@Suite struct DatasetToolsTests {
    private let options = ["--image-size", "32", "--patch-size", "8", "--shard-size", "10"]

    private func draw(_ path: String) throws {
        try succeed(["synthesize", "\(path)/in", "--images", "40", "--classes", "2", "--image-size", "40"])
        try Data().write(to: URL(fileURLWithPath: "\(path)/in/class-00/e\u{1b}[2Jmpty.jpg"))
    }

    @Test func dryRunSaysWhatShardingDoes() throws {
        try withTemporaryDirectory { path in
            try draw(path)
            let text = try succeed(["shard", "\(path)/in", "--dry-run"] + options)
            for line in [
                "source        folder: 41 images of 2 classes", "formats       JPEG 40", "modes         RGB 40",
                "left out      1 empty, such as class-00/e\\u{1b}[2Jmpty.jpg",
                "shards        5 files: 122880 bytes of samples (exactly)",
            ] { #expect(text.contains(line), "\(text)") }
            #expect(text.contains(/time .* jobs?, estimated from 40 images/) && !text.contains("\u{1b}"))
            // OUT may be named, and is not made.
            #expect(try succeed(["shard", "\(path)/in", "\(path)/out", "--dry-run"] + options).hasPrefix("source"))
            #expect(try names(in: path) == ["in"])

            let json = try succeed(["shard", "\(path)/in", "--dry-run", "--json", "--jobs", "1"] + options)
            let fields = try #require(JSONSerialization.jsonObject(with: Data(json.utf8)) as? [String: Any])
            #expect(fields["images"] as? Int == 41)
            #expect((fields["shards"] as? [String: Any])?["sample_bytes"] as? Int == 122_880)
            let alone = try crate(["shard", "\(path)/in", "\(path)/out", "--json"] + options)
            #expect(alone.status != 0 && alone.errors.contains("--json goes with --dry-run"))
            try refuse("--dry-run works in one process", ["shard", "\(path)/in", "--dry-run"] + options)
        }
    }

    @Test func shardsAreSplitMergedAndWrittenAsImages() throws {
        try withTemporaryDirectory { path in
            try draw(path)
            try succeed(["shard", "\(path)/in", "\(path)/all"] + options)
            let split = try succeed(["split", "\(path)/all", "\(path)/train", "\(path)/val", "--fraction", "0.25"])
            #expect(
                split.split(separator: "\n").map { $0.split(separator: " ").map(String.init) } == [
                    ["class", "train", "val"], ["class-00", "15", "5"], ["class-01", "15", "5"], ["all", "30", "10"],
                ], "\(split)")
            let merged = try succeed(["merge", "\(path)/train", "\(path)/val", "\(path)/merged"])
            #expect(merged.hasPrefix("40 samples of 2 classes in 4 shards"), "\(merged)")
            for part in ["train", "val", "merged"] {
                #expect(try succeed(["verify", "\(path)/\(part)"]).contains("is sound"))
                try succeed(["inspect", "\(path)/\(part)"])
            }
            let repair = try crate(["verify", "\(path)/merged", "--repair", "--source", "\(path)/in"])
            #expect(repair.status == 0)
            #expect(
                try succeed(["unshard", "\(path)/merged", "\(path)/images"])
                    == "40 samples written to \(path)/images\n")
            #expect(
                try succeed(["unshard", "\(path)/merged", "\(path)/tars", "--as", "webdataset"])
                    == "40 samples in 1 archive written to \(path)/tars\n")
            #expect(try names(in: "\(path)/images") == ["class-00", "class-01"])
            let again = try succeed(
                ["shard", "\(path)/tars", "\(path)/again", "--label-field", "class"] + options)
            #expect(again.hasPrefix("40 images of 2 classes in 4 shards"), "\(again)")
            // Training reads them.
            let trained = try crate([
                "pretrain", "--data", "\(path)/train", "--validation", "\(path)/val", "--run", "\(path)/run", "--dim",
                "16", "--depth", "1", "--heads", "2", "--image-size", "32", "--patch-size", "8", "--batch-size", "8",
                "--steps", "2",
            ])
            #expect(trained.status == 0, "\(trained.errors)")
        }
    }

    @Test func mistakesAreOneLine() throws {
        try withTemporaryDirectory { path in
            try draw(path)
            try succeed(["shard", "\(path)/in", "\(path)/all"] + options)
            try succeed(["shard", "\(path)/in", "\(path)/jpeg", "--encoding", "jpeg"])
            let (all, out) = ("\(path)/all", "\(path)/out")
            for (text, arguments) in [
                ("--fraction must be between 0 and 1", ["split", all, out, "\(path)/o", "--fraction", "1"]),
                (
                    "--group is not a regular expression",
                    ["split", all, out, "\(path)/o", "--fraction", "0.1", "--group", "("]
                ),
                (
                    "--group does not match the key",
                    ["split", all, out, "\(path)/o", "--fraction", "0.1", "--group", "x(y)"]
                ),
                ("is given for both parts", ["split", all, out, out, "--fraction", "0.1"]),
                ("is not empty", ["split", all, out, "\(path)/in", "--fraction", "0.1"]),
                ("index.json", ["split", "\(path)/in", out, "\(path)/o", "--fraction", "0.1"]),
                ("Give two directories", ["merge", all, out]),
                ("is given twice", ["merge", all, all, out]),
                ("\(path)/jpeg JPEG files of 256 x 256 pixels", ["merge", all, "\(path)/jpeg", out]),
                ("is not empty", ["unshard", all, "\(path)/in"]),
                ("lies inside", ["unshard", all, "\(all)/images"]),
                ("tar-size", ["unshard", all, out, "--tar-size", "0"]),
            ] {
                let result = try crate(arguments)
                #expect(result.status != 0 && result.errors.contains(text), "\(arguments): \(result.errors)")
                #expect(try names(in: path) == ["all", "in", "jpeg"], "\(arguments)")
                #expect(try succeed(["verify", all]).contains("is sound"))
            }
        }
    }

    /// Killed while it writes: what is left is no directory of shards.
    @Test(arguments: ["split", "merge"]) func interruptedCommandLeavesNoIndex(command: String) throws {
        try withTemporaryDirectory { path in
            try succeed(["synthesize", "\(path)/in", "--images", "3000", "--classes", "2", "--image-size", "40"])
            for name in ["one", "two"] { try succeed(["shard", "\(path)/in", "\(path)/\(name)"] + options) }
            let arguments =
                command == "split"
                ? ["split", "\(path)/one", "\(path)/a", "\(path)/b", "--fraction", "0.5"]
                : ["merge", "\(path)/one", "\(path)/two", "\(path)/a"]
            let running = try RunningCommand.crate(arguments)
            running.wait(every: 1000) { access("\(path)/a/shard-00001.h5", F_OK) == 0 }
            kill(try running.identifier(marker: "\(path)/a"), SIGKILL)
            let result = try running.finish()
            try #require(result.status != 0, "it ended before it could be killed")
            #expect(try names(in: "\(path)/a").contains("shard-00000.h5"))
            for part in ["a", "b"] { #expect(access("\(path)/\(part)/index.json", F_OK) != 0) }
            #expect(try crate(["verify", "\(path)/a"]).errors.contains("index.json"))
            #expect(try crate(arguments).errors.contains("\(path)/a is not empty"))
        }
    }
}
