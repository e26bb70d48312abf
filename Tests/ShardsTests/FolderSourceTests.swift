import Base
import Foundation
import Images
import Loader
import Shards
import TestSupport
import Testing

/// Folders as people have them: deeper ones, without classes, with what is no image.
@Suite struct FolderSourceTests {
    private func addImage(_ path: String, number: Int = 0) throws {
        try write(PNGEncoder.encode(Drawing.image(number: number, label: 0, side: 32, seed: 4)), to: path)
    }

    private func keys(_ source: ShardSource) -> [String] { source.items.map { source.key(of: $0) } }

    /// The folder `in` of `directory`, and the same as a tar archive.
    private func forms(_ directory: String) throws -> [ShardSource] {
        try run("tar", "-C", "\(directory)/in", "-cf", "\(directory)/in.tar", ".")
        return try [ShardSource("\(directory)/in"), ShardSource("\(directory)/in.tar")]
    }

    @Test func deeperFilesBelongToTheClass() throws {
        try withTemporaryDirectory { directory in
            _ = try makeSource("\(directory)/in")
            for number in 0..<5 { try addImage("\(directory)/in/ape/one/two/\(number).png", number: number) }
            try write([1], to: "\(directory)/in/ape/.hidden")
            try write([1], to: "\(directory)/in/notes.txt")
            try FileManager.default.createDirectory(
                atPath: "\(directory)/in/empty", withIntermediateDirectories: false)
            for source in try forms(directory) {
                #expect(source.classes == ["ape", "bee", "cow", "empty"] && source.items.count == 14)
                #expect(keys(source)[3] == "ape/one/two/0.png")
                #expect(source.passedOver[.hidden] == 1 && source.passedOver[.besideClasses] == 1)
            }
            let text = try ShardSource("\(directory)/in").passedOver.description
            #expect(text == "1 hidden entry, 1 file next to the class directories")
        }
    }

    /// The directories of training and test are not taken for classes.
    @Test func partsAreNotClasses() throws {
        try withTemporaryDirectory { directory in
            for part in ["train", "val"] { _ = try makeSource("\(directory)/in/\(part)") }
            let refused = try failure { _ = try ShardSource("\(directory)/in") }
            #expect(refused.problem.contains("several parts: train, val") && refused.hint.contains("--within train"))
            #expect(try ShardSource("\(directory)/in", .init(within: "val")).items.count == 9)
            let all = try ShardSource("\(directory)/in", .init(within: "."))
            #expect(all.classes == ["train", "val"] && all.items.count == 18)
            let out = "\(directory)/out"
            #expect(try Sharding.run(source: all, output: out, options: smallOptions()).images == 18)
        }
    }

    @Test func imagesWithoutClasses() throws {
        try withTemporaryDirectory { directory in
            for number in 0..<5 { try addImage("\(directory)/in/\(number).png", number: number) }
            for (number, source) in try forms(directory).enumerated() {
                #expect(source.classes.isEmpty && keys(source) == (0..<5).map { "\($0).png" })
                let out = "\(directory)/out\(number)"
                try Sharding.run(source: source, output: out, options: smallOptions())
                #expect(try ShardVerifier(path: out).problems().isEmpty)
                var shards = try ShardDirectory(path: out)
                #expect(shards.index.classes.isEmpty)
                #expect(try shards.labels() == [-1, -1, -1, -1, -1] && shards.key(sample: 4) == "4.png")
                // Pretraining reads them; what needs labels refuses them.
                let loader = try BatchLoader(settings(out))
                #expect(try loader.samples(0..<5, for: .training).samples.count == 5)
                try write([1], to: "\(out)/shard-00000.h5")
                let verifier = try ShardVerifier(path: out)
                let again = try ShardSource(source.path, .init(classes: verifier.index.classes))
                #expect(try verifier.repair(verifier.problems(), from: again) == ["shard-00000.h5"])
            }
        }
    }

    /// Names of bytes that are no UTF-8, and names that look as such bytes are written.
    @Test func namesOfAnyBytes() throws {
        try withTemporaryDirectory { directory in
            try addImage("\(directory)/image.png")
            let script = """
                cd \(directory) && mkdir -p "in/caf$(printf '\\351')/deep$(printf '\\377')" 'in/tea\\xE9'
                cp image.png "in/caf$(printf '\\351')/deep$(printf '\\377')/1$(printf '\\200').png"
                cp image.png 'in/tea\\xE9/2.png' && cp image.png 'in/tea\\xE9/a\\b.png'
                """
            try run("bash", "-c", script)
            for source in try forms(directory) {
                #expect(
                    keys(source) == [
                        #"caf\xE9/deep\xFF/1\x80.png"#, #"tea\x5CxE9/2.png"#, #"tea\x5CxE9/a\b.png"#,
                    ])
                let out = "\(directory)/out-\(source.kind.rawValue)"
                let summary = try Sharding.run(source: source, output: out, options: smallOptions())
                #expect(summary.images == 3 && summary.skipped == 0)
                #expect(try ShardVerifier(path: out).problems().isEmpty)
            }
        }
    }

    @Test func linksInACircleAreRefused() throws {
        try withTemporaryDirectory { directory in
            try addImage("\(directory)/in/ape/0.png")
            try run("ln", "-s", "..", "\(directory)/in/ape/up")
            let refused = try failure { _ = try ShardSource("\(directory)/in") }
            #expect(refused.problem.contains("ape/up") && refused.problem.contains("link"))
        }
    }

    @Test(arguments: [
        ("a-{08..11}.tar", ["a-08.tar", "a-09.tar", "a-10.tar", "a-11.tar"]),
        ("{a,b}-{0..1}", ["a-0", "a-1", "b-0", "b-1"]),
    ])
    func braces(pattern: String, names: [String]) throws {
        try withTemporaryDirectory { directory in
            // The first one is named, since it is missing.
            let missing = try failure { _ = try ShardSource("\(directory)/\(pattern)") }
            #expect(missing.problem.contains("\(directory)/\(names[0])"), "\(missing)")
            for name in names {
                try addImage("\(directory)/in/\(name).png")
                try write(Array("7".utf8), to: "\(directory)/in/\(name).cls")
                try run(
                    "tar", "-C", "\(directory)/in", "-cf", "\(directory)/\(name)", "\(name).png", "\(name).cls")
            }
            #expect(try ShardSource("\(directory)/\(pattern)").items.count == names.count)
        }
        let many = try failure { _ = try ShardSource("/x/{0..99999999999}") }
        #expect(many.problem.contains("not a range"))
    }
}
