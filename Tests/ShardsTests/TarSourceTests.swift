import Base
import Foundation
import Images
import Shards
import TestSupport
import Testing

/// Archives give the same shards as the folders they were created from.
@Suite struct TarSourceTests {
    /// Creates `source` with the folder of `makeSource` at `in/PART`, and checks that the output of `archive`, read with
    /// `selection`, has the same samples as the folder.
    private func expectSameShards(
        part: String = "", _ selection: ShardSource.Selection = .init(), archive: (String) throws -> String
    ) throws {
        try withTemporaryDirectory { directory in
            let folder = "\(directory)/in\(part)"
            _ = try makeSource(folder)
            let tar = try archive(directory)
            let source = try ShardSource(tar, selection)
            try Sharding.run(source: ShardSource(folder), output: directory + "/one", options: smallOptions())
            try Sharding.run(source: source, output: directory + "/two", options: smallOptions())
            for name in try names(in: directory + "/one") where name.hasSuffix(".h5") {
                #expect(
                    FileManager.default.contentsEqual(
                        atPath: "\(directory)/one/\(name)", andPath: "\(directory)/two/\(name)"))
            }
            let (one, two) = try (
                ShardIndex.load(directory: directory + "/one"), ShardIndex.load(directory: directory + "/two")
            )
            #expect(
                one.classes == two.classes && one.shards == two.shards && one.mean == two.mean && one.std == two.std)
        }
    }

    /// The formats that tar writes, and compressed ones.
    @Test(arguments: [["--format=gnu"], ["--format=pax"], ["--format=ustar"], ["-z"], ["-j"], ["-J"]])
    func folderInAnArchive(options: [String]) throws {
        try expectSameShards { directory in
            // In a different order, with a file next to the classes, a hidden file, and one in a deeper directory.
            try write([1], to: "\(directory)/in/beside.txt")
            try write([1], to: "\(directory)/in/ape/.hidden")
            try write([1], to: "\(directory)/in/cow/deeper/file.png")
            try write([1], to: "\(directory)/in/.git/objects/file.png")
            let tar = "\(directory)/in.tar"
            try run(
                "bash", "-c",
                "cd \(directory)/in && tar -c \(options.joined(separator: " ")) -f \(tar) ./cow ./.git beside.txt ape bee"
            )
            try FileManager.default.removeItem(atPath: "\(directory)/in/beside.txt")
            return tar
        }
    }

    /// A compressed archive that does not fit into memory is read in its own order, with the samples of the folder.
    @Test(arguments: ["gzip", "zstd"]) func largeCompressedArchive(program: String) throws {
        try withTemporaryDirectory { directory in
            _ = try makeSource("\(directory)/in")
            let tar = "\(directory)/in.tar.packed"
            try run("tar", "-C", "\(directory)/in", "-I", program, "-cf", tar, "cow", "ape", "bee")
            var selection = ShardSource.Selection()
            selection.memoryLimit = 4096
            let source = try ShardSource(tar, selection)
            #expect(source.classes == ["ape", "bee", "cow"] && source.items.count == 9)
            #expect(
                source.items.prefix(3).allSatisfy { $0.label == 2 }
                    && source.items.suffix(3).allSatisfy { $0.label == 1 })
            let out = "\(directory)/out"
            try Sharding.run(source: source, output: out, options: smallOptions())
            try Sharding.run(
                source: ShardSource(directory + "/in"), output: directory + "/folder", options: smallOptions())
            func samples(_ path: String) throws -> [String: [UInt8]] {
                var shards = try ShardDirectory(path: path)
                return try Dictionary(
                    uniqueKeysWithValues: (0..<9).map { (try shards.key(sample: $0), try image($0, of: &shards)) })
            }
            #expect(try samples(out) == samples(directory + "/folder"))
            try write([1], to: "\(out)/shard-00001.h5")
            let verifier = try ShardVerifier(path: out)
            #expect(try verifier.repair(verifier.problems(), from: source) == ["shard-00001.h5"])
            let shuffled = try failure {
                try Sharding.run(source: source, output: "\(directory)/no", options: smallOptions(shuffle: 1))
            }
            #expect(shuffled.problem.contains("cannot be shuffled"))
        }
    }

    @Test func classesAtAnyDepthAndOneOfSeveralParts() throws {
        let selection = ShardSource.Selection(within: "deep/er/train/")
        try expectSameShards(part: "/deep/er/train", selection) { directory in
            _ = try makeSource("\(directory)/in/deep/er/test")
            let tar = "\(directory)/in.tar"
            try run("tar", "-C", "\(directory)/in", "-cf", tar, "deep")
            let mixed = try failure { _ = try ShardSource(tar) }
            #expect(mixed.problem.contains("several parts: deep/er/test, deep/er/train"))
            #expect(mixed.hint.contains("--within deep/er/t"))
            let none = try failure { _ = try ShardSource(tar, .init(within: "deep/er/tra")) }
            #expect(none.problem.contains("no files in deep/er/tra"))
            let flat = try ShardSource(tar, .init(within: "deep/er/test/ape"))
            #expect(flat.classes.isEmpty && flat.items.count == 3)
            return tar
        }
    }

    @Test func imagenetTrainingSetIsAnArchiveOfArchives() throws {
        try expectSameShards { directory in
            try run(
                "bash", "-c",
                "cd \(directory)/in && for c in *; do tar -C $c -cf $c.tar $(ls $c); done && tar -cf ../in.tar *.tar && rm *.tar"
            )
            #expect(try ShardSource("\(directory)/in.tar").kind == .imagenetTraining)
            return "\(directory)/in.tar"
        }
    }

    @Test func unusualNames() throws {
        try withTemporaryDirectory { directory in
            let long = String(repeating: "long", count: 40)
            let image = try PNGEncoder.encode(Drawing.image(number: 0, label: 0, side: 32, seed: 0))
            for name in ["Ärger", "ape ape", long] { try write(image, to: "\(directory)/in/\(name)/\(name).png") }
            try run("ln", "\(directory)/in/ape ape/ape ape.png", "\(directory)/in/ape ape/linked.png")
            for format in ["gnu", "pax"] {
                let tar = "\(directory)/\(format).tar"
                try run("tar", "--format=\(format)", "-C", "\(directory)/in", "-cf", tar, ".")
                let source = try ShardSource(tar)
                #expect(source.classes == ["ape ape", long, "Ärger"])
                #expect(
                    source.items.map { source.key(of: $0) } == [
                        "ape ape/ape ape.png", "ape ape/linked.png", "\(long)/\(long).png", "Ärger/Ärger.png",
                    ])
                let summary = try Sharding.run(
                    source: source, output: "\(directory)/\(format)", options: smallOptions())
                #expect(summary.images == 4 && summary.skipped == 0)
            }
        }
    }

    @Test func corruptArchivesAreNamed() throws {
        try withTemporaryDirectory { directory in
            _ = try makeSource(directory + "/in")
            let tar = "\(directory)/in.tar"
            try run("tar", "-b1", "-C", "\(directory)/in", "-cf", tar, "ape", "bee", "cow")
            let whole = try Data(contentsOf: URL(fileURLWithPath: tar))
            let source = try ShardSource(tar)
            #expect(source.items.count == 9)
            // Without the end mark, cut inside a member, and cut inside a header.
            func expect(_ problem: String, of bytes: some DataProtocol) throws {
                try Data(bytes).write(to: URL(fileURLWithPath: tar))
                let failure = try failure { _ = try ShardSource(tar) }
                #expect(failure.problem.contains(tar) && failure.problem.contains(problem), "\(failure)")
            }
            try expect("no end mark", of: whole.dropLast(1024))
            try expect("cut short: it ends inside of cow/", of: whole.dropLast(1024 + 512))
            try expect("Truncated tar archive", of: whole.prefix(700))
            for header in [0, 512] {
                var damaged = whole
                damaged[header] ^= 1
                try expect(header == 0 ? "is not a tar archive" : "damaged", of: damaged)
            }
            try expect("is not a tar archive", of: whole.prefix(100))
            try expect("is not a tar archive", of: Data("text".utf8))
            try expect("is not a tar archive", of: Data())
        }
    }

    /// A corrupt image in an archive is skipped, as in a folder.
    @Test func corruptMembersAreSkipped() throws {
        try withTemporaryDirectory { directory in
            _ = try makeSource(directory + "/in")
            try write(Array("no image".utf8), to: directory + "/in/bee/9.png")
            try run("tar", "-C", "\(directory)/in", "-cf", "\(directory)/in.tar", "ape", "bee", "cow")
            let summary = try Sharding.run(
                source: ShardSource("\(directory)/in.tar"), output: "\(directory)/out", options: smallOptions())
            #expect(summary.images == 9 && summary.skipped == 1)
            let text = try String(contentsOfFile: "\(directory)/out/skipped.txt", encoding: .utf8)
            #expect(text == "bee/9.png\tnot an image of a known kind\n")
        }
    }

    @Test(
        .enabled(
            if: ProcessInfo.processInfo.environment["CRATE_DATA"] != nil,
            "CRATE_DATA does not name a directory with cifar10-half.tar"))
    func realArchiveOfTwoParts() throws {
        let data = try #require(ProcessInfo.processInfo.environment["CRATE_DATA"]) + "/cifar10-half.tar"
        #expect(try failure { _ = try ShardSource(data) }.problem.contains("cifar10/test, cifar10/train"))
        let source = try ShardSource(data, .init(within: "cifar10/test"))
        #expect(source.items.count == 5000 && source.classes.count == 10)
        #expect((0..<10).allSatisfy { label in source.items.count { $0.label == label } == 500 })
        try withTemporaryDirectory { directory in
            let grid = try PatchGrid(imageSize: 32, patchSize: 4)
            let summary = try Sharding.run(
                source: source, output: directory + "/out", options: ShardingOptions(.patches(grid)))
            #expect(summary.images == 5000 && summary.shards == 5 && summary.skipped == 0)
            #expect(try ShardVerifier(path: directory + "/out").problems().isEmpty)
        }
    }

    /// If an archive is truncated while it is read, the run stops instead of skipping images.
    @Test func changedArchiveStopsTheRun() throws {
        try withTemporaryDirectory { directory in
            _ = try makeSource(directory + "/in")
            let tar = directory + "/in.tar"
            try run("tar", "-C", "\(directory)/in", "-cf", tar, "ape", "bee", "cow")
            let source = try ShardSource(tar)
            let handle = try #require(FileHandle(forWritingAtPath: tar))
            try handle.truncate(atOffset: 9000)
            let failure = try failure {
                try Sharding.run(source: source, output: directory + "/out", options: smallOptions())
            }
            #expect(failure.problem.contains("in.tar ends before byte"))
            #expect(!FileManager.default.fileExists(atPath: directory + "/out/index.json"))
        }
    }

    /// Whatever the headers of an archive contain: an error that names it, or images inside it.
    @Test func changedHeadersAreRejectedOrHarmless() throws {
        try withTemporaryDirectory { directory in
            for name in ["ape/1", "ape/2", "bee/3"] { try write([1, 2, 3], to: "\(directory)/in/\(name)") }
            try run("ln", "\(directory)/in/ape/1", "\(directory)/in/bee/1")
            let long = String(repeating: "x", count: 150)
            try write([4], to: "\(directory)/in/bee/\(long)")
            var counts = (failures: 0, harmless: 0)
            for format in ["gnu", "pax"] {
                let tar = "\(directory)/in.tar"
                try run("tar", "--format=\(format)", "-b1", "-C", "\(directory)/in", "-cf", tar, "ape", "bee")
                let whole = try Data(contentsOf: URL(fileURLWithPath: tar))
                for mutation in 0..<250 {
                    var generator = KeyedGenerator(seed: 3, .drawing, mutation)
                    var bytes = whole
                    for _ in 0...generator.index(below: 3) {
                        // A changed byte in a header field; in half of the cases the header checksum is corrected.
                        let block = generator.index(below: bytes.count / 512) * 512
                        bytes[block + generator.index(below: 265)] = UInt8(truncatingIfNeeded: generator.next())
                        if generator.next() % 2 == 0 { mendChecksum(of: &bytes, header: block) }
                    }
                    if generator.next() % 4 == 0 { bytes = bytes.prefix(generator.index(below: bytes.count)) }
                    try bytes.write(to: URL(fileURLWithPath: tar))
                    do {
                        let source = try ShardSource(tar)
                        var options = try smallOptions()
                        options.isStrict = false
                        // Three bytes are not an image: all are read and rejected.
                        let refused = try failure {
                            try Sharding.run(source: source, output: "\(directory)/out", options: options)
                        }
                        #expect(refused.problem.contains("none of the \(source.items.count) files"))
                        try FileManager.default.removeItem(atPath: "\(directory)/out")
                        counts.harmless += 1
                    } catch let failure as Failure {
                        #expect(failure.problem.contains(tar), "\(failure)")
                        counts.failures += 1
                    }
                }
            }
            print("tar archives with changed headers: \(counts.failures) failures, \(counts.harmless) harmless")
            #expect(counts.failures > 50 && counts.harmless > 50)
        }
    }

    /// Writes the sum of a header's bytes as six octal digits, with the checksum field counted as spaces.
    private func mendChecksum(of bytes: inout Data, header: Int) {
        for index in header + 148..<header + 156 { bytes[index] = UInt8(ascii: " ") }
        let sum = bytes[header..<header + 512].reduce(0) { $0 + Int($1) }
        let digits = String(sum, radix: 8)
        let field = String(repeating: "0", count: max(0, 6 - digits.count)) + digits + "\0 "
        bytes.replaceSubrange(header + 148..<header + 156, with: Array(field.utf8))
    }
}
