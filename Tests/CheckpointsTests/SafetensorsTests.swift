import Base
import Checkpoints
import Foundation
import TestSupport
import Testing

@Suite struct SafetensorsTests {
    /// What people name in place of weights gets a line that says what it is.
    @Test func otherFilesAreNamed() throws {
        try withTemporaryDirectory { directory in
            let files: [(bytes: [UInt8], problem: String)] = [
                ([], "it is empty"),
                (Array("version https://git-lfs.github.com/spec/v1\n".utf8), "a pointer of Git LFS"),
                (Array("<!doctype html>\n<p>Log in".utf8), "a text or a web page"),
                (Array("PK\u{3}\u{4}archive/data.pkl".utf8), "a file of torch.save"),
                ([0x80, 2, 0x8A, 10, 0x6C, 0xFC, 0x9C, 0x46, 0xF9], "a file of torch.save"),
                ([UInt8](repeating: 0xFF, count: 100), "does not begin with the length"), ([1, 2], "does not begin"),
            ]
            let path = "\(directory)/model.safetensors"
            for file in files {
                try DurableFile.write(file.bytes, to: path)
                let failure = #expect(throws: Failure.self) { try SafetensorsReader(path: path) }
                #expect(failure?.problem.contains(file.problem) == true, "\(failure?.problem ?? "")")
            }
        }
    }

    @Test func readingReturnsTheWrittenTensors() throws {
        try withTemporaryDirectory { directory in
            let path = "\(directory)/a.safetensors"
            let a: [Float] = [1, -2, 3.5, .pi, 0, 7]
            let stored42 = try OwnedBuffer<Float>(count: 1)
            let storedA = try OwnedBuffer<Float>(count: 6)
            storedA.pointer.update(from: a, count: 6)
            stored42.pointer[0] = 42
            try writeSafetensors(
                [NamedTensor("x.a", [2, 3]), NamedTensor("b", [1]), NamedTensor("none", [0, 4])],
                metadata: ["config": "{\"quotes\": \"ü\"}"], to: path
            ) { $0 == 0 ? UnsafePointer(storedA.pointer) : UnsafePointer(stored42.pointer) }
            let reader = try SafetensorsReader(path: path)
            #expect(reader.metadata == ["config": "{\"quotes\": \"ü\"}"])
            #expect(Set(reader.tensors.keys) == ["x.a", "b", "none"])
            var values = [Float](repeating: 0, count: 6)
            try reader.read("x.a", shape: [2, 3], into: &values)
            #expect(values == a)
            let stored = try reader.values("b")
            #expect(stored == [42])
            let absent = try reader.values("c")
            #expect(absent == nil)
            #expect(throws: Failure.self) { try reader.read("x.a", shape: [3, 2], into: &values) }
            #expect(throws: Failure.self) { try reader.read("y", shape: [3, 2], into: &values) }
        }
    }

    /// F64 is rounded to the nearest fp32, halves are widened.
    @Test func otherPrecisionsAreRead() throws {
        try withTemporaryDirectory { directory in
            let path = "\(directory)/a.safetensors"
            let count = 70_000
            let exact = (0..<count).map { Double($0) / 3 - 11_000 }
            let doubles = exact.withUnsafeBytes { Data($0) }
            let halves = exact.map { Float16($0) }.withUnsafeBytes { Data($0) }
            let shorts = exact.map { UInt16(Float($0).bitPattern >> 16) }.withUnsafeBytes { Data($0) }
            var (header, end) = ("", 0)
            for (name, type, size) in [("a", "F64", 8), ("b", "F16", 2), ("c", "BF16", 2), ("d", "F8_E4M3", 1)] {
                let next = end + size * count
                header += #""\#(name)": {"dtype": "\#(type)", "shape": [\#(count)], "#
                header += #""data_offsets": [\#(end), \#(next)]}, "#
                end = next
            }
            header = "{\(header.dropLast(2))}"
            let length = withUnsafeBytes(of: UInt64(header.utf8.count).littleEndian) { Data($0) }
            try (length + Data(header.utf8) + doubles + halves + shorts + Data(count: count))
                .write(to: URL(fileURLWithPath: path))
            let reader = try SafetensorsReader(path: path)
            var values = [Float](repeating: .nan, count: count)
            try reader.read("a", shape: [count], into: &values)
            #expect(zip(values, exact).allSatisfy { $0 == Float($1) })
            try reader.read("b", shape: [count], into: &values)
            #expect(zip(values, exact).allSatisfy { $0 == Float(Float16($1)) })
            try reader.read("c", shape: [count], into: &values)
            #expect(zip(values, exact).allSatisfy { $0.bitPattern == Float($1).bitPattern & 0xFFFF_0000 })
            let refused = #expect(throws: Failure.self) { try reader.read("d", shape: [count], into: &values) }
            #expect(refused?.problem.contains("F8_E4M3") == true && refused?.hint == "convert it to F32")
        }
    }

    /// Invalid headers: each is rejected with a message that names the file.
    @Test(arguments: [
        "", "[]", "{", #"{"a": 1}"#, #"{"__metadata__": {"a": 1}}"#,
        #"{"a": {"dtype": "F32", "shape": [2], "data_offsets": [0, 4]}}"#,
        #"{"a": {"dtype": "F32", "shape": [-1], "data_offsets": [0, 8]}}"#,
        #"{"a": {"dtype": "F32", "shape": [4611686018427387904, 4], "data_offsets": [0, 8]}}"#,
        #"{"a": {"dtype": "F32", "shape": [2], "data_offsets": [8, 16]}}"#,
        #"{"a": {"dtype": "F32", "shape": [3], "data_offsets": [0, 12]}}"#,
        #"{"a": {"dtype": "Q7", "shape": [2], "data_offsets": [0, 8]}}"#,
        #"{"a": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}}"#,
        #"{"a": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}, "b": {"dtype": "F32", "shape": [1], "data_offsets": [4, 8]}}"#,
    ])
    func invalidHeaderIsRejected(header: String) throws {
        try withTemporaryDirectory { directory in
            let path = "\(directory)/a.safetensors"
            var data = withUnsafeBytes(of: UInt64(header.utf8.count).littleEndian) { Data($0) }
            data += Data(header.utf8) + Data(count: 8)
            try data.write(to: URL(fileURLWithPath: path))
            let failure = #expect(throws: Failure.self) { _ = try SafetensorsReader(path: path).metadata }
            #expect(failure?.problem.contains(path) == true)
        }
    }

    @Test(arguments: [Data(), Data([1, 2, 3]), Data([0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x7F, 0x7B, 0x7D])])
    func invalidLengthIsRejected(data: Data) throws {
        try withTemporaryDirectory { directory in
            let path = "\(directory)/a.safetensors"
            try data.write(to: URL(fileURLWithPath: path))
            #expect(throws: Failure.self) { _ = try SafetensorsReader(path: path).metadata }
        }
    }

    @Test func missingFileAndDirectoryAreRejected() throws {
        try withTemporaryDirectory { directory in
            #expect(throws: Failure.self) { _ = try SafetensorsReader(path: "\(directory)/none").metadata }
            #expect(throws: Failure.self) { _ = try SafetensorsReader(path: directory).metadata }
        }
    }
}
