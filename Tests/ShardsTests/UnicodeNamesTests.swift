import Base
import Foundation
import Images
import Shards
import TestSupport
import Testing

/// Names that Swift's strings take for equal, and that are two files.
@Suite struct UnicodeNamesTests {
    static let composed = "caf\u{e9}"
    static let decomposed = "cafe\u{301}"

    /// Twelve images: four in each of two folders, of which two have twin names, and four in a third folder.
    private func makeTwins(_ path: String) throws {
        for (label, folder) in [Self.composed, Self.decomposed, "tea"].enumerated() {
            let names = ["1.png", "2.png", "\(Self.composed).png", label == 1 ? "4.png" : "\(Self.decomposed).png"]
            for (number, name) in names.enumerated() {
                let image = try Drawing.image(number: number, label: label, side: 32, seed: 1)
                try FileManager.default.createDirectory(
                    atPath: "\(path)/\(folder)", withIntermediateDirectories: true)
                try DurableFile.write(PNGEncoder.encode(image), to: "\(path)/\(folder)/\(name)")
            }
        }
    }

    private func bytes(_ names: [String]) -> [[UInt8]] { names.map { Array($0.utf8) } }

    @Test(arguments: [false, true]) func everyImageIsStored(isArchive: Bool) throws {
        try withTemporaryDirectory { directory in
            try makeTwins("\(directory)/in")
            var path = "\(directory)/in"
            if isArchive {
                path += ".tar"
                try run("tar", "-C", "\(directory)/in", "-cf", path, ".")
            }
            let source = try ShardSource(path)
            #expect(source.items.count == 12)
            // The accent is later in the alphabet than "e" and earlier than the letter that has it.
            #expect(bytes(source.classes) == bytes([Self.decomposed, Self.composed, "tea"]))
            #expect(source.unicodeTwins.count == 2 + 2 + 2)
            let summary = try Sharding.run(source: source, output: "\(directory)/out", options: smallOptions())
            #expect(summary.images == 12 && summary.classes == 3 && summary.skipped == 0)
            #expect(try ShardVerifier(path: "\(directory)/out").problems().isEmpty)
            var shards = try ShardDirectory(path: "\(directory)/out")
            let keys = try (0..<12).map { try shards.key(sample: $0) }
            #expect(bytes(keys) == bytes(source.items.map { source.key(of: $0) }))
            #expect(Set(keys.map { ExactName($0) }).count == 12)
        }
    }

    /// A list that was written on Linux, for a folder from a Mac: the class has the list's name, and the folder its own.
    @Test func classListOfAnotherFormFitsWhereItIsCertain() throws {
        try withTemporaryDirectory { directory in
            let image = try Drawing.image(number: 0, label: 0, side: 32, seed: 1)
            try write(PNGEncoder.encode(image), to: "\(directory)/in/\(Self.decomposed)/1.png")
            try write(PNGEncoder.encode(image), to: "\(directory)/in/tea/1.png")
            let list = "\(directory)/classes"
            try write(Array("tea\n\(Self.composed)".utf8), to: list)
            let source = try ShardSource("\(directory)/in", .init(classes: ClassNames.read(list)))
            #expect(bytes(source.classes) == bytes(["tea", Self.composed]))
            #expect(source.items.map(\.label) == [1, 0] && source.respelled.count == 1)
            let out = "\(directory)/out"
            let summary = try Sharding.run(source: source, output: out, options: smallOptions())
            #expect(summary.images == 2 && summary.skipped == 0)
            #expect(try ShardVerifier(path: out).problems().isEmpty)
            // Both forms in a list are two classes.
            try write(Array("\(Self.composed)\n\(Self.decomposed)\ntea".utf8), to: list)
            let both = try ShardSource("\(directory)/in", .init(classes: ClassNames.read(list)))
            #expect(both.items.map(\.label) == [1, 2] && both.respelled.count == 0)
            // Of both forms in the source, one would get the other's label.
            try write(PNGEncoder.encode(image), to: "\(directory)/in/\(Self.composed)/1.png")
            try write(Array("tea\n\(Self.composed)".utf8), to: list)
            let refused = try failure { _ = try ShardSource("\(directory)/in", .init(classes: ClassNames.read(list))) }
            #expect(refused.problem.contains("caf\\u{e9}") && refused.problem.contains("cafe\\u{301}"), "\(refused)")
            #expect(refused.problem.hasSuffix("differ only in their Unicode form"), "\(refused)")
        }
    }

    /// A list of files in the other form.
    @Test func labelsOfTheOtherFormAreFound() throws {
        try withTemporaryDirectory { directory in
            let image = try Drawing.image(number: 0, label: 0, side: 32, seed: 1)
            for name in [Self.decomposed, "tea"] { try write(PNGEncoder.encode(image), to: "\(directory)/in/\(name)") }
            try run("tar", "-C", "\(directory)/in", "-cf", "\(directory)/in.tar", ".")
            try write(Array("\(Self.composed) hot\ntea cold\n".utf8), to: "\(directory)/labels")
            let source = try ShardSource("\(directory)/in.tar", .init(labels: "\(directory)/labels"))
            #expect(source.classes == ["cold", "hot"] && source.items.map(\.label) == [0, 1])
            #expect(source.respelled.count == 1)
        }
    }

    /// A label file names the classes and files of a flat archive.
    @Test func labelsOfBothFormsAreKeptApart() throws {
        try withTemporaryDirectory { directory in
            for name in [Self.composed, Self.decomposed] {
                let image = try Drawing.image(number: 0, label: 0, side: 32, seed: 1)
                try write(PNGEncoder.encode(image), to: "\(directory)/in/\(name)")
            }
            try run("tar", "-C", "\(directory)/in", "-cf", "\(directory)/in.tar", ".")
            let lines = "\(Self.composed) \(Self.decomposed)\n\(Self.decomposed) \(Self.composed)\n"
            try write(Array(lines.utf8), to: "\(directory)/labels")
            let source = try ShardSource("\(directory)/in.tar", .init(labels: "\(directory)/labels"))
            #expect(source.classes.count == 2)
            let keys = source.items.map { source.key(of: $0) }
            #expect(
                bytes(keys)
                    == bytes([
                        "\(Self.decomposed)/\(Self.composed)", "\(Self.composed)/\(Self.decomposed)",
                    ]))
        }
    }

    /// A key of the other form of the label's class.
    @Test func labelOfTheOtherFormIsAProblem() throws {
        try withTemporaryDirectory { directory in
            try makeTwins("\(directory)/in")
            try Sharding.run(
                source: ShardSource("\(directory)/in"), output: "\(directory)/out", options: smallOptions())
            try editIndex(of: "\(directory)/out") { $0["classes"] = [Self.composed, Self.decomposed, "tea"] }
            let problems = try ShardVerifier(path: "\(directory)/out").problems()
            #expect(problems.count == 8 && problems.allSatisfy { $0.description.contains("but its label says") })
        }
    }
}
