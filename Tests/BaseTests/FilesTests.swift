import Base
import Foundation
import Synchronization
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
    @Test(.timeLimit(.minutes(15))) func refusesWhatIsNotAFile() throws {
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

@Suite struct LeaseTests {
    private let times: Lease.Times = {
        var times = Lease.Times()
        (times.renewal, times.patience) = (0.05, 0.5)
        return times
    }()

    @Test func isHeldUntilItsOwnerGoes() throws {
        try withTemporaryDirectory { directory in
            let path = "\(directory)/lease"
            try withExtendedLifetime(Lease(path, use: "it", times: times) { _ in }) {
                let failure = #expect(throws: Failure.self) { try Lease(path, use: "it", times: times) { _ in } }
                #expect(failure?.problem == "another process uses it")
            }
            #expect(try names(in: directory).isEmpty)
            _ = try Lease(path, use: "it", times: times) { _ in }
        }
    }

    @Test func isTakenOverWithoutASignOfLife() throws {
        try withTemporaryDirectory { directory in
            let path = "\(directory)/lease"
            let said = Mutex<[String]>([])
            // Of another host, and of a process of this host that is gone.
            for text in ["elsewhere 1 7\n", "\(hostName()) 2147483646 7\n", "what is this"] {
                try DurableFile.write(Array(text.utf8), to: path)
                let lease = try Lease(path, use: "it", times: times) { text in said.withLock { $0.append(text) } }
                #expect(String(decoding: try RegularFile.contents(of: path), as: UTF8.self).hasPrefix(hostName()))
                withExtendedLifetime(lease) {}
            }
            #expect(said.withLock { $0.count { $0.contains("has shown no sign of life") } } == 2)
            #expect(try names(in: directory).isEmpty)
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

@Suite struct FileLockTests {
    /// A process that another thread starts has copies of all descriptors until it executes its program; a duplicate is such a copy.
    @Test func lockEndsInSpiteOfACopyOfItsDescriptor() throws {
        try withTemporaryDirectory { directory in
            let path = directory + "/lock"
            var copy: Int32 = -1
            do {
                let lock = try FileLock(path, use: "it", waitingUpTo: 0) { _ in }
                copy = dup(try #require(descriptor(of: path)))
                #expect(copy >= 0)
                #expect(throws: Failure.self) { _ = try FileLock(path, use: "it", waitingUpTo: 0) { _ in } }
                _ = consume lock
            }
            #expect(throws: Never.self) { _ = try FileLock(path, use: "it", waitingUpTo: 0) { _ in } }
            close(copy)
        }
    }

    /// The descriptor with which this process has `path` open.
    private func descriptor(of path: String) -> Int32? {
        (0..<1024).first { descriptor in
            (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/fd/\(descriptor)")) == path
        }
    }
}

@Suite struct PathNamesTests {
    @Test(
        arguments: [
            ("", "", ""), ("r", "", "r"), ("r/", "", "r"), ("ab", "", "ab"), ("/", "", "/"), ("/a", "/", "a"),
            ("//a", "/", "a"), ("a/b", "a", "b"), ("a//b/", "a", "b"), ("/a/b", "/a", "b"), (".", "", "."),
            ("../x", "..", "x"), ("é/ß", "é", "ß"),
        ])
    func pathsAreTakenApart(path: String, parent: String, name: String) {
        #expect(path.parentPath == parent && path.lastName == name, "\(path)")
    }

    @Test func namesAreJoinedAndHaveExtensions() {
        #expect(
            "a".appending(name: "b") == "a/b" && "a/".appending(name: "b") == "a/b" && "".appending(name: "b") == "b")
        #expect(["x.png", "d.e/x", ".png", "x.tar.gz", "x."].map(\.nameExtension) == ["png", "", "", "gz", ""])
    }
}
