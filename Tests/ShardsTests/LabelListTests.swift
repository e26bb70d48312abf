import Base
import Foundation
import Images
import Shards
import TestSupport
import Testing

/// Lists of labels and classes as spreadsheets and editors write them.
@Suite struct LabelListTests {
    private static let mark = "\u{FEFF}"

    @Test(arguments: [
        mark + "cat\r\ndog\r\ncat\r\ndog\r\n", mark + "0.png cat\r\n1.png dog\r\n2.png cat\r\n3.png dog",
        "0.png,cat\n1.png,dog\n2.png,cat\n3.png,dog\n", "0.png;cat\n1.png;dog\n2.png;cat\n3.png;dog\n",
        "id,label\n0.png,cat\n1.png,dog\n2.png,cat\n3.png,dog\n", "0.png\tcat\n1.png\tdog\n2.png\tcat\n3.png\tdog",
        mark + "file\tclass\r3.png\tdog\r2.png\tcat\r1.png\tdog\r0.png\tcat\r",
        "0.png,cat\n1.png, dog\n2.png , cat\n3.png,dog",
    ])
    func labelsAreRead(text: String) throws {
        try withFlatArchive(images: 4) { tar, directory in
            try write(Array(text.utf8), to: "\(directory)/labels")
            let source = try ShardSource(tar, .init(labels: "\(directory)/labels"))
            #expect(source.classes == ["cat", "dog"])
            #expect(source.items.map { source.key(of: $0) } == ["cat/0.png", "cat/2.png", "dog/1.png", "dog/3.png"])
        }
    }

    /// The first line may be of an image that is not in this archive; its number decides what the others mean.
    @Test func firstLineOfAnotherImage() throws {
        try withFlatArchive(images: 4) { tar, directory in
            let lines = "9.png,0\n0.png,1\n1.png,2\n2.png,1\n3.png,2\n"
            try write(Array(lines.utf8), to: "\(directory)/labels")
            try write(Array("ape\ncat\ndog\n".utf8), to: "\(directory)/names")
            let source = try ShardSource(
                tar, .init(labels: "\(directory)/labels", labelNames: "\(directory)/names"))
            #expect(source.classes == ["cat", "dog"])
        }
    }

    /// A header is no label, so that numbers stay numbers.
    @Test func numbersBelowAHeader() throws {
        try withFlatArchive(images: 4) { tar, directory in
            try write(Array("id,label\n0.png,1\n1.png,0\n2.png,1\n3.png,0\n".utf8), to: "\(directory)/labels")
            try write(Array((Self.mark + "dog\ncat\n").utf8), to: "\(directory)/names")
            let source = try ShardSource(
                tar, .init(labels: "\(directory)/labels", labelNames: "\(directory)/names"))
            #expect(source.items.map { source.key(of: $0) } == ["cat/0.png", "cat/2.png", "dog/1.png", "dog/3.png"])
        }
    }

    @Test(arguments: [
        ("0,cat\n1,dog\n2,cat\n3,dog\n", "each line of"), ("label\ncat\ndog\ncat\ndog\n", "without a header"),
        ("0.png,cat,1\n1.png,dog,1\n2.png,cat,1\n3.png,dog,1\n", "not just a name and a label"),
        ("0.png,\"cat\"\n1.png,dog\n2.png,cat\n3.png,dog\n", "not just a name and a label"),
        ("0.png,cat\n1.png\n2.png,cat\n3.png,dog\n", "line 2"),
    ])
    func otherTablesAreRefused(text: String, problem: String) throws {
        try withFlatArchive(images: 4) { tar, directory in
            try write(Array(text.utf8), to: "\(directory)/labels")
            let refused = try failure { _ = try ShardSource(tar, .init(labels: "\(directory)/labels")) }
            #expect("\(refused)".contains(problem), "\(refused)")
        }
    }

    @Test func classListsOfOtherEncodings() throws {
        try withTemporaryDirectory { directory in
            let list = "\(directory)/classes"
            try write(Array((Self.mark + "cat\r\ndog\r\n").utf8), to: list)
            #expect(try ClassNames.read(list) == ["cat", "dog"])
            // Names are bytes: a list that `ls` made of names in Latin-1 has the names of the source.
            try write(Array("caf".utf8) + [0xE9, 10] + Array("tea\n".utf8), to: list)
            #expect(try ClassNames.read(list) == ["caf\\xE9", "tea"])
            try write([0xFF, 0xFE] + Array("c\0a\0t\0\n\0".utf8), to: list)
            #expect(try failure { _ = try ClassNames.read(list) }.problem.contains("UTF-16"))
            for text in ["0,cat\n1,dog\n", "1;cat\n2;dog\n", "1\tcat\n2\tdog"] {
                try write(Array(text.utf8), to: list)
                #expect(try failure { _ = try ClassNames.read(list) }.problem.contains("a number in front"))
            }
            // Names with commas, and names that are numbers.
            for names in [["tench, Tinca tinca", "goldfish, Carassius auratus"], ["0", "1"], ["1 cent", "2 cents"]] {
                try write(Array(names.joined(separator: "\n").utf8), to: list)
                #expect(try ClassNames.read(list) == names)
            }
        }
    }
}
