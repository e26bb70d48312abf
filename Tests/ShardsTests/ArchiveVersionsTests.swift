import Base
import Foundation
import Images
import Shards
import TestSupport
import Testing

/// Archives to which something was added: another archive, a newer version of a file, something else.
@Suite struct ArchiveVersionsTests {
    private func png(_ number: Int) throws -> [UInt8] {
        try PNGEncoder.encode(Drawing.image(number: number, label: 0, side: 32, seed: 3))
    }

    /// `in/ape/0.png` and `in/ape/1.png`, and `more/bee/0.png`, as archives of their own.
    private func makeParts(_ directory: String) throws {
        for number in 0..<2 { try write(png(number), to: "\(directory)/in/ape/\(number).png") }
        try write(png(2), to: "\(directory)/more/bee/0.png")
        try run("tar", "-C", "\(directory)/in", "-cf", "\(directory)/one.tar", "ape")
        try run("tar", "-C", "\(directory)/more", "-cf", "\(directory)/two.tar", "bee")
    }

    private func keys(_ source: ShardSource) -> [String] { source.items.map { source.key(of: $0) } }

    private func contents(_ source: ShardSource, _ out: String) throws -> [[UInt8]] {
        try Sharding.run(source: source, output: out, options: smallOptions())
        var shards = try ShardDirectory(path: out)
        return try (0..<shards.count).map { try image($0, of: &shards) }
    }

    private func pixels(_ numbers: [Int]) throws -> [[UInt8]] {
        try numbers.map { try Drawing.image(number: $0, label: 0, side: 32, seed: 3).pixels }
    }

    @Test(arguments: ["cat one.tar two.tar", "(gzip -c one.tar; gzip -c two.tar)", "cat one.tar two.tar | zstd -c"])
    func archivesStrungTogetherAreOne(command: String) throws {
        try withTemporaryDirectory { directory in
            try makeParts(directory)
            try run("bash", "-c", "cd \(directory) && \(command) > both")
            let source = try ShardSource("\(directory)/both")
            #expect(keys(source) == ["ape/0.png", "ape/1.png", "bee/0.png"])
            #expect(source.passedOver.description == nil)
            #expect(try contents(source, "\(directory)/out") == pixels([0, 1, 2]))
        }
    }

    @Test func innerArchivesStrungTogether() throws {
        try withTemporaryDirectory { directory in
            for number in 0..<4 { try write(png(number), to: "\(directory)/in/\(number).png") }
            try run(
                "bash", "-c",
                """
                cd \(directory)/in && tar -cf a.tar 0.png && tar -cf b.tar 1.png && cat a.tar b.tar > ape.tar &&
                tar -cf bee.tar 2.png 3.png && tar -cf ../all.tar ape.tar bee.tar
                """)
            let source = try ShardSource("\(directory)/all.tar")
            #expect(source.kind == .imagenetTraining)
            #expect(keys(source) == ["ape/0.png", "ape/1.png", "bee/2.png", "bee/3.png"])
        }
    }

    /// What is no archive is told of; what is damaged is still refused.
    @Test(arguments: [100, 512, 5000]) func somethingElseBehindTheEndMark(count: Int) throws {
        try withTemporaryDirectory { directory in
            try makeParts(directory)
            let tar = "\(directory)/one.tar"
            let whole = try RegularFile.contents(of: tar)
            try write(whole + [UInt8](repeating: 7, count: count), to: tar)
            let source = try ShardSource(tar)
            #expect(source.items.count == 2)
            #expect(source.passedOver.description == "1 file that goes on behind its end")
            let second = try RegularFile.contents(of: "\(directory)/two.tar")
            try write(whole + second.prefix(700), to: tar)
            #expect(throws: Failure.self) { try ShardSource(tar) }
        }
    }

    @Test func theLastVersionOfAFileCounts() throws {
        try withTemporaryDirectory { directory in
            try makeParts(directory)
            let tar = "\(directory)/one.tar"
            try run("ln", "\(directory)/in/ape/1.png", "\(directory)/in/ape/linked.png")
            try run("tar", "-C", "\(directory)/in", "-cf", tar, "ape/0.png", "ape/1.png", "ape/linked.png")
            try FileManager.default.removeItem(atPath: "\(directory)/in/ape/1.png")
            try write(png(9), to: "\(directory)/in/ape/1.png")
            try run("tar", "-C", "\(directory)/in", "-rf", tar, "./ape/1.png")
            let source = try ShardSource(tar)
            #expect(keys(source) == ["ape/0.png", "ape/1.png", "ape/linked.png"])
            #expect(source.passedOver.description == "1 earlier version of a file")
            // The link is to the version that was there when it was added, as tar unpacks it.
            #expect(try contents(source, "\(directory)/out") == pixels([0, 9, 1]))
        }
    }

    @Test func theLastVersionInAZipCounts() throws {
        try withTemporaryDirectory { directory in
            try makeParts(directory)
            try write(png(9), to: "\(directory)/in/new.png")
            let script = """
                import warnings, zipfile, sys
                warnings.simplefilter('ignore')
                with zipfile.ZipFile('all.zip', 'w') as file:
                    for name in ('ape/0.png', 'ape/1.png'): file.write(name)
                with zipfile.ZipFile('all.zip', 'a') as file: file.write('new.png', 'ape/0.png')
                """
            try run("bash", "-c", "cd \(directory)/in && python3 - <<'END'\n\(script)\nEND")
            let source = try ShardSource("\(directory)/in/all.zip")
            #expect(keys(source) == ["ape/0.png", "ape/1.png"] && source.passedOver[.replaced] == 1)
            #expect(try contents(source, "\(directory)/out") == pixels([9, 1]))
            let zip = try RegularFile.contents(of: "\(directory)/in/all.zip")
            try write(zip + zip, to: "\(directory)/both.zip")
            let refused = try failure { _ = try ShardSource("\(directory)/both.zip") }
            #expect(refused.hint.contains("strung together"), "\(refused)")
        }
    }

    /// Two arrays that were saved into one file, of which the second would be missed without a word.
    @Test func arraysStrungTogetherAreToldOf() throws {
        try withTemporaryDirectory { directory in
            let header = "{'descr': '|u1', 'fortran_order': False, 'shape': (2, 8, 8, 3), }"
            let text = header + String(repeating: " ", count: 128 - 11 - header.count) + "\n"
            let array =
                [0x93] + Array("NUMPY".utf8) + [1, 0, 118, 0] + Array(text.utf8) + [UInt8](repeating: 9, count: 384)
            let bytes: [UInt8] = [0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0, 8, 0, 0, 0, 8] + [UInt8](repeating: 9, count: 128)
            for (name, one) in [("a.npy", array), ("b-idx3-ubyte", bytes)] {
                let path = "\(directory)/\(name)"
                try write(one, to: path)
                #expect(try ShardSource(path).passedOver.description == nil)
                try write(one + one, to: path)
                let source = try ShardSource(path)
                #expect(source.items.count == 2)
                #expect(source.passedOver.description == "1 file that goes on behind its end")
            }
        }
    }

    /// A member of a WebDataset that was added again.
    @Test func theLastMemberOfASampleCounts() throws {
        try withTemporaryDirectory { directory in
            func add(_ number: Int, class name: String) throws {
                try write(png(number), to: "\(directory)/in/0.png")
                try write(Array("\u{FEFF}\(name)\r\n".utf8), to: "\(directory)/in/0.cls")
                try run("tar", "-C", "\(directory)/in", "-rf", "\(directory)/set.tar", "0.png", "0.cls")
            }
            try add(0, class: "old")
            try add(5, class: "new")
            let source = try ShardSource("\(directory)/set.tar")
            #expect(source.kind == .webDataset && source.classes == ["new"] && source.passedOver[.replaced] == 2)
            #expect(try contents(source, "\(directory)/out") == pixels([5]))
        }
    }

    @Test(arguments: ["gnu", "posix"]) func sparseMembersAreNamed(format: String) throws {
        try withTemporaryDirectory { directory in
            try makeParts(directory)
            let file = try #require(FileHandle(forWritingAtPath: "\(directory)/in/ape/1.png"))
            try file.truncate(atOffset: 1 << 20)
            let tar = "\(directory)/sparse.tar"
            try run("tar", "-S", "--format=\(format)", "-C", "\(directory)/in", "-cf", tar, "ape")
            let refused = try failure { _ = try ShardSource(tar) }
            #expect(refused.problem == "\(tar) stores ape/1.png as a sparse file, without its holes", "\(refused)")
            #expect(refused.hint.contains("tar -S"))
        }
    }
}
