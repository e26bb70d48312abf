import Base
import Foundation
import TestSupport
import Testing

@Suite struct ChecksumTests {
    @Test func matchesTheKnownValue() {
        let digits = Array("123456789".utf8)
        #expect(digits.withUnsafeBytes { Checksum(of: $0).value } == 0xCBF4_3926)
        #expect(Checksum().value == 0)
        #expect(Checksum(of: UnsafeRawBufferPointer(start: nil, count: 0)) == Checksum())
    }

    @Test func updatesIncrementally() {
        let bytes = (0..<1000).map { UInt8(truncatingIfNeeded: $0 &* 37) }
        bytes.withUnsafeBytes { all in
            var checksum = Checksum()
            checksum.update(UnsafeRawBufferPointer(rebasing: all[..<123]))
            checksum.update(UnsafeRawBufferPointer(rebasing: all[123...]))
            #expect(checksum == Checksum(of: all))
        }
    }
}

@Suite struct DurableFileTests {
    @Test func writesAndReplacesAtomically() throws {
        try withTemporaryDirectory { directory in
            let path = directory + "/file"
            try DurableFile.write([1, 2, 3], to: path)
            #expect(FileManager.default.contents(atPath: path) == Data([1, 2, 3]))
            try DurableFile.write([9], to: path)
            #expect(FileManager.default.contents(atPath: path) == Data([9]))
            #expect(try names(in: directory) == ["file"])
        }
    }

    @Test func joinsPieces() throws {
        try withTemporaryDirectory { directory in
            try DurableFile.write(to: directory + "/file") { append in
                for piece in [[1, 2], [], [3]] as [[UInt8]] { try piece.withUnsafeBytes { try append($0) } }
            }
            #expect(FileManager.default.contents(atPath: directory + "/file") == Data([1, 2, 3]))
        }
    }

    @Test func failureLeavesNoFile() throws {
        try withTemporaryDirectory { directory in
            // The final name is a directory, which a file cannot replace.
            try FileManager.default.createDirectory(
                atPath: directory + "/taken/inside", withIntermediateDirectories: true)
            let failure = #expect(throws: Failure.self) { try DurableFile.write([1], to: directory + "/taken") }
            #expect(try #require(failure).problem.contains("taken"))
            #expect(try names(in: directory) == ["taken"])

            #expect(throws: Failure.self) { try DurableFile.write([1], to: directory + "/missing/file") }
            #expect(try names(in: directory) == ["taken"])
        }
    }

    @Test func commitsAFileWrittenElsewhere() throws {
        try withTemporaryDirectory { directory in
            let path = directory + "/file"
            #expect(throws: Failure.self) { try DurableFile.commit(partialOf: path) }
            try Data([7]).write(to: URL(fileURLWithPath: DurableFile.partialPath(of: path)))
            try DurableFile.commit(partialOf: path)
            #expect(try names(in: directory) == ["file"])
        }
    }
}

@Suite struct FailureTests {
    @Test func isOneLine() {
        let failure = Failure("bad name \"a\nb\u{7}\"", hint: "rename it")
        #expect(failure.description == "bad name \"a?b?\"; rename it")
    }
}

@Suite struct OutputDirectoryTests {
    @Test func createsOrUsesAnEmptyDirectory() throws {
        try withTemporaryDirectory { directory in
            let deep = try OutputDirectory(directory + "/a/b")
            #expect(try names(in: directory + "/a") == ["b"])
            #expect(deep.file("x") == directory + "/a/b/x")
            // The directory existed before, so it stays.
            try OutputDirectory(directory + "/a/b").remove()
            #expect(try names(in: directory + "/a") == ["b"])
            deep.remove()
            #expect(try names(in: directory + "/a").isEmpty)
        }
    }

    @Test func rejectsUnusableDirectories() throws {
        try withTemporaryDirectory { directory in
            try DurableFile.write([1], to: directory + "/file")
            let full = #expect(throws: Failure.self) { try OutputDirectory(directory) }
            #expect(try #require(full).problem.contains("not empty"))
            let file = #expect(throws: Failure.self) { try OutputDirectory(directory + "/file") }
            #expect(try #require(file).problem.contains("not a directory"))
            #expect(throws: Failure.self) { try OutputDirectory(directory + "/file/below") }
            let inside = #expect(throws: Failure.self) {
                try OutputDirectory(directory + "/new", outside: directory)
            }
            #expect(try #require(inside).problem.contains("inside"))
            #expect(try names(in: directory) == ["file"])
        }
    }
}

@Suite struct AppendingFileTests {
    @Test func bytesAreAppended() throws {
        try withTemporaryDirectory { directory in
            for text in ["one\n", "two\n"] {
                let file = try AppendingFile("\(directory)/log")
                #expect(try file.append(Array(text.utf8)) == nil)
            }
            #expect(try String(contentsOfFile: "\(directory)/log", encoding: .utf8) == "one\ntwo\n")
            #expect(throws: Failure.self) { _ = try AppendingFile("\(directory)/none/log") }
        }
    }

    /// `/dev/full` behaves like a full disk.
    @Test func failedWritesAreReportedOnceAndBuffered() throws {
        let file = try AppendingFile("/dev/full")
        #expect(try file.append([1])?.problem == "cannot write /dev/full: No space left on device")
        #expect(try file.append([2]) == nil)
        #expect(throws: Failure.self) { try file.append([UInt8](repeating: 3, count: 64 << 20)) }
    }
}
