import Base
import Foundation
import Shards
import TestSupport
import Testing

@Suite(.serialized) struct ShardTests {
    private let options = ["--image-size", "32", "--patch-size", "8"]

    /// A folder of synthetic images with two files that are not images, in `path/images`.
    private func draw(_ count: Int, _ path: String) throws {
        let drawn = try crate(["synthesize", "\(path)/images", "--images", "\(count)", "--classes", "3"])
        try #require(drawn.status == 0, "\(drawn.errors)")
        for name in ["class-00", "class-02"] {
            try Data("text".utf8).write(to: URL(fileURLWithPath: "\(path)/images/\(name)/text.jpg"))
        }
    }

    @Test func invalidImageIsSkippedOrWithStrictAnError() throws {
        try withTemporaryDirectory { path in
            try draw(6, path)
            let lenient = try crate(["shard", "\(path)/images", "\(path)/lenient"] + options)
            #expect(lenient.status == 0 && lenient.output.contains("6 images of 3 classes"))
            #expect(try names(in: "\(path)/lenient") == ["index.json", "shard-00000.h5", "skipped.txt"])
            let skipped = try String(contentsOfFile: "\(path)/lenient/skipped.txt", encoding: .utf8)
            #expect(skipped.hasPrefix("class-00/text.jpg\t") && skipped.split(separator: "\n").count == 2)
            let strict = try crate(["shard", "\(path)/images", "\(path)/strict", "--strict"] + options, ranks: 2)
            #expect(strict.status == 1 && strict.failureLines.count == 1)
            #expect(try names(in: "\(path)/strict") == ["skipped.txt"])
            let again = try crate(["shard", "\(path)/images", "\(path)/lenient"] + options)
            #expect(again.status == 0 && again.output.contains("All of it was there"))
            let other = try crate(["shard", "\(path)/images", "\(path)/lenient", "--patch-size", "16"])
            #expect(other.status == 1 && other.failureLines.first?.contains("not empty") == true)
        }
    }

    @Test func shardBytesDoNotDependOnJobsOrRanks() throws {
        try withTemporaryDirectory { path in
            try draw(60, path)
            for more in [["--shuffle", "4"], ["--encoding", "jpeg"]] {
                var outputs: [String] = []
                for (ranks, jobs) in [(nil, 1), (nil, 2), (1, 2), (2, 1), (3, 2)] as [(Int?, Int)] {
                    let out = "\(path)/\(UUID())"
                    let arguments = ["shard", "\(path)/images", out, "--shard-size", "7", "--jobs", "\(jobs)"]
                    let done = try crate(arguments + options + more, ranks: ranks)
                    #expect(done.status == 0 && done.output.contains("60 images of 3 classes in 9 shards"), "\(done)")
                    outputs.append(out)
                }
                for other in outputs.dropFirst() { #expect(try haveSameFiles(outputs[0], other)) }
            }
        }
    }

    @Test func channelsAndDepth() throws {
        try withTemporaryDirectory { path in
            try draw(6, path)
            let grey = ["--channels", "1", "--depth", "16"] + options
            let done = try crate(["shard", "\(path)/images", "\(path)/grey"] + grey)
            #expect(done.status == 0 && done.output.contains("6 images of 3 classes"), "\(done)")
            let index = try ShardIndex.load(directory: "\(path)/grey")
            #expect(index.pixelFormat.channels == 1 && index.pixelFormat.depth == 16 && index.mean.count == 1)
            let again = try crate(["shard", "\(path)/images", "\(path)/grey"] + grey)
            #expect(again.status == 0 && again.output.contains("All of it was there"))
            let kept = try crate(["shard", "\(path)/images", "\(path)/kept", "--keep-original"] + grey)
            #expect(kept.status == 0, "\(kept)")
            #expect(try ShardIndex.load(directory: "\(path)/kept").recipe?.keepsFiles == true)
            let four = try crate(["shard", "\(path)/images", "\(path)/four", "--channels", "4"] + options)
            #expect(four.status == 1 && four.failureLines.count == 1)
            let skipped = try String(contentsOfFile: "\(path)/four/skipped.txt", encoding: .utf8)
            #expect(skipped.contains("3 channels, 4 are asked for"), "\(skipped)")
            for (options, problem) in [
                (["--encoding", "jpeg", "--depth", "16"], "JPEG files have 3 channels of 8 bits"),
                (["--depth", "12"], "values of 12 bits"), (["--channels", "257"], "257 channels"),
                (["--keep-original", "--encoding", "patches"], "--keep-original stores files"),
            ] {
                let refused = try crate(["shard", "\(path)/images", "\(path)/none"] + options)
                #expect(refused.status != 0 && refused.errors.contains(problem), "\(refused.errors)")
                #expect(!FileManager.default.fileExists(atPath: "\(path)/none"))
            }
        }
    }

    /// Killed at random times, and started again. `Tests/Peer/shard_kills.py` does this more often.
    @Test(arguments: [nil, 2 as Int?]) func killedRunIsContinued(ranks: Int?) throws {
        try withTemporaryDirectory { path in
            try draw(150, path)
            func arguments(_ out: String) -> [String] {
                ["shard", "\(path)/images", "\(path)/\(out)", "--shard-size", "5", "--jobs", "2"] + options
            }
            let start = ContinuousClock.now
            try #require(try crate(arguments("whole"), ranks: ranks).status == 0)
            let duration = ContinuousClock.now - start
            var generator = KeyedGenerator(seed: 8, .drawing, 0)
            for attempt in 0..<3 {
                let out = "killed-\(attempt)"
                let fraction = generator.uniform(in: 0.1...0.9)
                _ = try crate(arguments(out), ranks: ranks, killedAfter: duration * fraction)
                // Ranks end slightly later than mpirun, and keep the directory locked until then.
                var again = try crate(arguments(out), ranks: ranks)
                for _ in 0..<100 where again.errors.contains("another process is at work") {
                    usleep(100_000)
                    again = try crate(arguments(out), ranks: ranks)
                }
                #expect(again.status == 0, "\(again.errors)")
                #expect(try haveSameFiles("\(path)/whole", "\(path)/\(out)"), "killed after \(fraction) of the time")
            }
        }
    }

    /// Names of classes and files with sequences that a terminal obeys.
    @Test func namesAreShownAsText() throws {
        try withTemporaryDirectory { path in
            try draw(6, path)
            let name = "red\u{1b}[31m\nfake line"
            try #require(rename("\(path)/images/class-01", "\(path)/images/\(name)") == 0)
            try Data("text".utf8).write(to: URL(fileURLWithPath: "\(path)/images/\(name)/\u{1b}]0;title"))
            try #require(try crate(["shard", "\(path)/images", "\(path)/out"] + options).status == 0)
            let skipped = try String(contentsOfFile: "\(path)/out/skipped.txt", encoding: .utf8)
            #expect(skipped.split(separator: "\n").count == 3 && skipped.contains("red\\u{1b}[31m\\u{a}fake line/"))
            let shown = try crate(["inspect", "\(path)/out"])
            #expect(shown.status == 0 && shown.output.contains("red\\u{1b}[31m\\u{a}fake line  2  "), "\(shown.output)")
            // Another order of the classes, so that each label contradicts its key.
            let index = "\(path)/out/index.json"
            let text = try String(contentsOfFile: index, encoding: .utf8)
            let swapped = text.replacing("\"class-00\",", with: "\"class-xx\",").replacing(
                #/ *"indexChecksum".*\n/#, with: ""
            )
            .replacing("\"red", with: "\"blue")
            try Data(swapped.utf8).write(to: URL(fileURLWithPath: index))
            let verified = try crate(["verify", "\(path)/out"])
            #expect(verified.status == 1 && verified.output.contains("is red\\u{1b}[31m"), "\(verified.output)")
            for text in [skipped, shown.output, verified.output, verified.errors] { #expect(!text.contains("\u{1b}")) }
        }
    }

    @Test func namesOfTwoUnicodeFormsAreToldInALine() throws {
        try withTemporaryDirectory { path in
            try draw(6, path)
            for (old, new) in [("class-00", "caf\u{e9}"), ("class-01", "cafe\u{301}")] {
                try #require(rename("\(path)/images/\(old)", "\(path)/images/\(new)") == 0)
            }
            let done = try crate(["shard", "\(path)/images", "\(path)/out"] + options)
            #expect(done.status == 0 && done.output.contains("6 images of 3 classes"), "\(done)")
            let warnings = done.errors.split(separator: "\n").filter { $0.contains("warning:") }
            #expect(warnings.count == 1 && warnings[0].contains("2 names of \(path)/images differ"), "\(done.errors)")
            #expect(warnings[0].contains("cafe\\u{301} and caf\\u{e9}"), "\(warnings)")
        }
    }

    @Test func verifyFindsAndRepairsDamage() throws {
        try withTemporaryDirectory { path in
            try draw(20, path)
            let tar = try run(["tar", "-C", "\(path)/images", "-cf", "\(path)/images.tar", "."])
            try #require(tar.status == 0)
            let sharding = ["shard", "\(path)/images.tar", "\(path)/out", "--shard-size", "6"] + options
            try #require(try crate(sharding).status == 0)
            try FileManager.default.copyItem(atPath: "\(path)/out", toPath: "\(path)/good")
            let sound = try crate(["verify", "\(path)/out"])
            #expect(sound.status == 0 && sound.output.contains("is sound: 20 samples of 3 classes in 4 shards"))
            let shard = try #require(FileHandle(forWritingAtPath: "\(path)/out/shard-00001.h5"))
            try shard.truncate(atOffset: 5000)
            try shard.close()
            let damaged = try crate(["verify", "\(path)/out"])
            #expect(damaged.status == 1 && damaged.failureLines.count == 1 && damaged.output.contains("shard-00001.h5"))
            let wrong = try crate(["verify", "\(path)/out", "--repair", "--source", "\(path)/images"])
            #expect(wrong.status == 1 && wrong.failureLines.first?.contains("not the source") == true)
            let mended = try crate(["verify", "\(path)/out", "--repair", "--source", "\(path)/images.tar"])
            #expect(mended.status == 0 && mended.output.contains("made again: \(path)/out/shard-00001.h5"))
            #expect(try haveSameFiles("\(path)/good", "\(path)/out"))
        }
    }

    @Test func inspectCountsClassesAndDrawsASheet() throws {
        try withTemporaryDirectory { path in
            try draw(20, path)
            try #require(try crate(["shard", "\(path)/images", "\(path)/out", "--encoding", "jpeg"]).status == 0)
            let sheet = ["--sheet", "\(path)/sheet.png", "--samples", "6"]
            let told = try crate(["inspect", "\(path)/out"] + sheet)
            #expect(told.status == 0)
            for line in ["samples   20 of 3 classes", "JPEG files of 256 x 256", "2 left out", "class-02  6  ###"] {
                #expect(told.output.contains(line), "\(told.output)")
            }
            let header = try Data(contentsOf: URL(fileURLWithPath: "\(path)/sheet.png")).prefix(4)
            #expect(Array(header) == [0x89, 0x50, 0x4E, 0x47])
        }
    }
}
