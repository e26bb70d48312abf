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

    /// A link that somebody placed under a temporary name is not followed, and a device is not replaced.
    @Test func othersFilesAreLeftAlone() throws {
        try withTemporaryDirectory { directory in
            let (victim, path) = ("\(directory)/victim", "\(directory)/file")
            try DurableFile.write([1], to: victim)
            try FileManager.default.createSymbolicLink(atPath: "\(path).partial", withDestinationPath: victim)
            try DurableFile.write([2], to: path)
            #expect(try RegularFile.contents(of: victim) == [1])
            #expect(try RegularFile.contents(of: path) == [2])

            try #require(mkfifo("\(directory)/pipe", 0o600) == 0)
            let failure = #expect(throws: Failure.self) { try DurableFile.write([1], to: "\(directory)/pipe") }
            #expect(failure?.problem == "\(directory)/pipe is not a regular file")
        }
    }

    @Test func twoWritersDoNotCollide() throws {
        try withTemporaryDirectory { directory in
            try DurableFile.write(to: "\(directory)/file") { append in
                try DurableFile.write([2, 2], to: "\(directory)/file")
                try ([1] as [UInt8]).withUnsafeBytes { try append($0) }
            }
            #expect(try RegularFile.contents(of: "\(directory)/file") == [1])
            #expect(try names(in: directory) == ["file"])
        }
    }

    @Test func oldPartialsAreRemoved() throws {
        try withTemporaryDirectory { directory in
            let old = DurableFile.newPartialPath(of: "\(directory)/file")
            let new = DurableFile.newPartialPath(of: "\(directory)/file")
            for path in [old, new, "\(directory)/file"] { try DurableFile.write([1], to: path) }
            try FileManager.default.setAttributes(
                [.modificationDate: Date(timeIntervalSinceNow: -7200)], ofItemAtPath: old)
            DurableFile.removePartials(of: "file", in: directory, olderThan: 3600)
            #expect(try names(in: directory) == ["file", (new as NSString).lastPathComponent])
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
            let partial = DurableFile.newPartialPath(of: path)
            #expect(throws: Failure.self) { try DurableFile.commit(partial, to: path) }
            try Data([7]).write(to: URL(fileURLWithPath: partial))
            try DurableFile.commit(partial, to: path)
            #expect(try names(in: directory) == ["file"])
        }
    }
}

@Suite struct RegularFileTests {
    /// Opening a FIFO, or a link to one, must not wait for a writer.
    @Test(.timeLimit(.minutes(1))) func refusesWhatIsNotAFile() throws {
        try withTemporaryDirectory { directory in
            let (pipe, link) = ("\(directory)/pipe", "\(directory)/link")
            try #require(mkfifo(pipe, 0o600) == 0)
            try FileManager.default.createSymbolicLink(atPath: link, withDestinationPath: pipe)
            for path in [pipe, link, "/dev/null", directory] {
                let failure = #expect(throws: Failure.self) { try RegularFile.contents(of: path) }
                #expect(failure?.problem == "\(path) is not a regular file")
                #expect(throws: Failure.self) { try Checksum.ofFile(path) }
            }
            #expect(throws: Failure.self) { try RegularFile.contents(of: "\(directory)/none") }
            #expect(throws: Failure.self) { try AppendingFile(pipe) }
        }
    }

    @Test func readsUpToItsLimit() throws {
        try withTemporaryDirectory { directory in
            try DurableFile.write([1, 2, 3], to: "\(directory)/file")
            #expect(try RegularFile.contents(of: "\(directory)/file", limit: 3) == [1, 2, 3])
            #expect(throws: Failure.self) { try RegularFile.contents(of: "\(directory)/file", limit: 2) }
        }
    }
}

@Suite struct FailureTests {
    @Test func isOneLine() {
        let failure = Failure("bad name \"a\nb\u{7}\"", hint: "rename it")
        #expect(failure.description == "bad name \"a\\u{a}b\\u{7}\"; rename it")
    }

    @Test func isShort() {
        let failure = Failure("the key " + String(repeating: "k", count: 5_000_000), hint: "shorten it")
        #expect(failure.description.count < 450)
        #expect(failure.description.hasPrefix("the key kk") && failure.description.hasSuffix("kk; shorten it"))
    }

    @Test func decodingErrorsAreFewWords() throws {
        struct Value: Decodable { let count: Int }
        let texts = ["[]", "{}", "{\"count\": \"x\"}", "{\"count\": 1e99}", "{", "{\"count\": null}"]
        for text in texts {
            let error = #expect(throws: DecodingError.self) {
                try JSONDecoder().decode(Value.self, from: Data(text.utf8))
            }
            let failure = Failure(from: try #require(error))
            #expect(failure.description.count < 120 && !failure.description.contains("Context"), "\(failure)")
        }
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
