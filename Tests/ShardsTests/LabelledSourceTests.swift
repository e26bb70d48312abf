import Base
import Foundation
import Images
import Shards
import TestSupport
import Testing

/// Sources whose classes do not come from directories, and class lists. The images of flat archives are cow, ape, ape, bee, cow and bee.
@Suite struct LabelledSourceTests {
    private func keys(_ source: ShardSource) -> [String] { source.items.map { source.key(of: $0) } }

    private let expected = ["ape/1.png", "ape/2.png", "bee/3.png", "bee/5.png", "cow/0.png", "cow/4.png"]

    @Test(arguments: [
        ("cow\nape\nape\nbee\ncow\nbee\n", nil), ("3\n2\n2\n1\n3\n1", "bee\nape\ncow\n"),
        ("0\n2\n2\n1\n0\n1", "cow\nbee\nape"),
        ("5.png bee\n4.png cow\n3.png\tbee\n2.png ape\n1.png ape\r\n0.png cow\n9.png ape", nil),
        ("5.png 1\n4.png 3\n3.png 1\n2.png 2\n1.png 2\n0.png 3", "bee\nape\ncow"),
    ])
    func labelsAreReadFromAFile(labels: String, names: String?) throws {
        try withFlatArchive(images: 6) { tar, directory in
            try write(Array(labels.utf8), to: "\(directory)/labels")
            try names.map { try write(Array($0.utf8), to: "\(directory)/names") }
            let source = try ShardSource(
                tar, .init(labels: "\(directory)/labels", labelNames: names.map { _ in "\(directory)/names" }))
            #expect(source.kind == .imagenetValidation && source.classes == ["ape", "bee", "cow"])
            #expect(keys(source) == expected)
            let summary = try Sharding.run(source: source, output: "\(directory)/out", options: smallOptions())
            #expect(summary.images == 6)
        }
    }

    @Test(arguments: [
        ("cow\nape\n", nil, "2 labels, but there are 6"), ("1\n2\n2\n1\n3\n1", nil, "holds numbers"),
        ("1\n2\n2\n1\n2\n1", "bee\nape\ncow", "1 to 2"), ("0\n2\n2\n1\n3\n1", "bee\nape\ncow", "0 to 3"),
        ("-1\n2\n2\n1\n3\n1", "bee\nape\ncow", "-1 to 3"), ("cow\n\nape\n", nil, "line 2"), ("", nil, "is empty"),
        ("0.png cow\nape\n", nil, "line 2"), ("0.png cow\n", nil, "no label for 1.png"),
        ("cow\nape\nape\nbee\ncow\nbee", "ape", "names of classes"),
    ])
    func inconsistentLabelsAreRejected(labels: String, names: String?, problem: String) throws {
        try withFlatArchive(images: 6) { tar, directory in
            try write(Array(labels.utf8), to: "\(directory)/labels")
            try names.map { try write(Array($0.utf8), to: "\(directory)/names") }
            let failure = try failure {
                _ = try ShardSource(
                    tar, .init(labels: "\(directory)/labels", labelNames: names.map { _ in "\(directory)/names" }))
            }
            #expect(failure.problem.contains(problem) || failure.hint.contains(problem), "\(failure)")
        }
    }

    @Test func labelsAreOnlyForFlatArchives() throws {
        try withTemporaryDirectory { directory in
            _ = try makeSource("\(directory)/in")
            try write(Array("ape".utf8), to: "\(directory)/labels")
            try run("tar", "-C", "\(directory)/in", "-cf", "\(directory)/in.tar", ".")
            for source in ["in", "in.tar"] {
                let failure = try failure {
                    _ = try ShardSource("\(directory)/\(source)", .init(labels: "\(directory)/labels"))
                }
                #expect(failure.hint.contains("leave"), "\(failure)")
            }
        }
    }

    @Test func classListDefinesTheClasses() throws {
        try withTemporaryDirectory { directory in
            _ = try makeSource("\(directory)/in")
            let list = "\(directory)/classes.txt"
            try write(Array("cow\nzebra\nape\nbee\n\n".utf8), to: list)
            let source = try ShardSource("\(directory)/in", .init(classes: ClassNames.read(list)))
            #expect(source.classes == ["cow", "zebra", "ape", "bee"])
            #expect(source.items.map(\.label) == [2, 2, 2, 3, 3, 3, 0, 0, 0])
            // The shards of one part define the classes of another.
            try Sharding.run(source: source, output: "\(directory)/out", options: smallOptions())
            #expect(try ClassNames.read("\(directory)/out/index.json") == source.classes)

            for (text, problem) in [
                ("cow\nape", "1 of the 3 classes of"), ("cow\nape\nbee\ncow", "cow twice"), ("\n", "names no classes"),
                ("cow\n\nape\nbee", "line 2"),
            ] {
                try write(Array(text.utf8), to: list)
                let failure = try failure {
                    _ = try ShardSource("\(directory)/in", .init(classes: ClassNames.read(list)))
                }
                #expect(failure.problem.contains(problem), "\(failure)")
            }
        }
    }
}

@Suite struct CIFAR10Tests {
    /// Two training batches and a test batch of five images each, and their contents.
    private func makeBatches(_ directory: String) throws -> [String: [[UInt8]]] {
        var contents: [String: [[UInt8]]] = [:]
        for (batch, name) in ["data_batch_1", "data_batch_2", "test_batch"].enumerated() {
            var bytes: [UInt8] = []
            for number in 0..<5 {
                let planes = (0..<3072).map {
                    UInt8(truncatingIfNeeded: ($0 &* 2_654_435_761) >> 7 &+ 31 * number + batch)
                }
                bytes += [UInt8(number % 3)] + planes
                contents[name, default: []].append(planes)
            }
            try write(bytes, to: "\(directory)/\(name).bin")
        }
        try write(Array("airplane\nautomobile\nbird\n\n".utf8), to: "\(directory)/batches.meta.txt")
        try write(Array("text".utf8), to: "\(directory)/readme.html")
        return contents
    }

    @Test(arguments: [nil, "-c", "-cz"]) func batchesInADirectoryOrArchive(tar: String?) throws {
        try withTemporaryDirectory { directory in
            let contents = try makeBatches("\(directory)/cifar-10-batches-bin")
            var path = "\(directory)/cifar-10-batches-bin"
            if let tar {
                path = "\(directory)/cifar.tar"
                try run("tar", "-C", directory, tar, "-f", path, "cifar-10-batches-bin")
            }
            let mixed = try failure { _ = try ShardSource(path) }
            #expect(mixed.hint.contains("--within data_batch"))
            let source = try ShardSource(path, .init(within: "data_batch"))
            #expect(source.kind == .cifar10 && source.classes == ["airplane", "automobile", "bird"])
            try #require(source.items.map(\.label) == [0, 0, 0, 0, 1, 1, 1, 1, 2, 2])
            #expect(source.key(of: source.items[3]) == "airplane/data_batch_2-00003")
            try Sharding.run(source: source, output: "\(directory)/out", options: smallOptions())
            var shards = try ShardDirectory(path: "\(directory)/out")
            let pixels = try image(3, of: &shards)
            try #require(pixels.count == 3072)
            let planes = try #require(contents["data_batch_2"])[3]
            for index in 0..<3072 { try #require(pixels[index] == planes[index % 3 * 1024 + index / 3]) }
            #expect(try ShardSource(path, .init(within: "test_batch")).items.count == 5)
            #expect(try failure { _ = try ShardSource(path, .init(within: "other")) }.problem.contains("no batches"))
        }
    }

    @Test func corruptBatchesAreNamed() throws {
        try withTemporaryDirectory { directory in
            _ = try makeBatches(directory)
            func failing() throws -> Failure { try failure { _ = try ShardSource(directory, .init(within: "test")) } }
            try write([UInt8](repeating: 1, count: 3074), to: "\(directory)/test_batch.bin")
            #expect(try failing().problem.contains("test_batch.bin"))
            try write([UInt8](repeating: 3, count: 3073), to: "\(directory)/test_batch.bin")
            #expect(try failing().problem.contains("label 3 of 3 classes"))
            try FileManager.default.removeItem(atPath: "\(directory)/batches.meta.txt")
            #expect(try failing().problem.contains("no batches.meta.txt"))
        }
    }
}
