import Base
import Foundation
import Images
import Shards
import TestSupport
import Testing

/// 1,000 mutated files of each kind of source that this program reads itself. Each is read, or refused in one line that names it, with
/// bounded memory and time.
@Suite struct SourceFuzzTests {
    @Test(.enabled(if: hasPython && hasParquet && hasWebDataset, setupHint)) func archives() async throws {
        let result = await #expect(processExitsWith: .success, observing: [\.standardOutputContent]) {
            try SourceFuzz.run(["zip", "webdataset"], mutations: 1000)
        }
        check(result)
    }

    @Test(.enabled(if: hasPython && hasParquet && hasWebDataset, setupHint)) func arrays() async throws {
        let result = await #expect(processExitsWith: .success, observing: [\.standardOutputContent]) {
            try SourceFuzz.run(["pickle", "numpy", "idx"], mutations: 1000)
        }
        check(result)
    }

    @Test(.enabled(if: hasPython && hasParquet && hasWebDataset, setupHint)) func tables() async throws {
        let result = await #expect(processExitsWith: .success, observing: [\.standardOutputContent]) {
            try SourceFuzz.run(["parquet"], mutations: 1000)
        }
        check(result)
    }

    @Test(.enabled(if: hasPython && hasParquet && hasWebDataset, setupHint)) func arraysOfSeveralChannels() async throws
    {
        let result = await #expect(processExitsWith: .success, observing: [\.standardOutputContent]) {
            try SourceFuzz.run(["bands"], mutations: 1000)
        }
        check(result)
    }

    private func check(_ result: ExitTest.Result?) {
        let text = String(decoding: result?.standardOutputContent ?? [], as: UTF8.self)
        #expect(text.contains("of 1000 mutated") && !text.contains("mutation "), "\(text)")
        print(text, terminator: "")
    }
}

/// Runs in a child process. A line that starts with "mutation" reports a failure.
enum SourceFuzz {
    private struct Subject {
        let path: String
        /// The file that is changed, in the directory `path` or `path` itself.
        let file: String
        var within: String?
        var pixel = PixelFormat.rgb
    }

    static func run(_ chosen: Set<String>, mutations: Int) throws {
        try withTemporaryDirectory { directory in
            try makeSources("pickles", "zips", "arrays", "mnist", "parquet", "samples", "bands", in: directory)
            let parquet = try names(in: "\(directory)/parquet").filter { !$0.hasSuffix(".parquet") }
                .map { "\(directory)/parquet/\($0)/data/train-00000-of-00002.parquet" }
            let kinds: [(String, [Subject])] = [
                ("zip", ["deflated", "stored"].map { whole("\(directory)/zips/\($0).zip") }),
                ("pickle", [Subject(path: "\(directory)/pickles", file: "data_batch_1", within: "data_batch_1")]),
                (
                    "numpy",
                    ["images.npy", "one.npz", "parts.npz"].map {
                        Subject(
                            path: "\(directory)/arrays/\($0)", file: "", within: $0 == "parts.npz" ? "x_train" : nil)
                    }
                ),
                (
                    "bands",
                    try [("fields.npy", 4, 16), ("fields-big-endian.npy", 4, 8), ("wide-8.npy", 13, 8)].map {
                        Subject(
                            path: "\(directory)/bands/\($0.0)", file: "",
                            pixel: try PixelFormat(channels: $0.1, depth: $0.2))
                    }
                ),
                ("idx", [whole("\(directory)/mnist/train-images-idx3-ubyte.gz")]),
                ("webdataset", [whole("\(directory)/samples/json/train-0000.tar")]),
                ("parquet", parquet.map { whole($0) }),
            ]
            try limitFuzzing(memory: 1 << 30)
            for (name, subjects) in kinds where chosen.contains(name) {
                try run(name, subjects, mutations: mutations, in: directory)
            }
        }
    }

    private static func whole(_ path: String) -> Subject { Subject(path: path, file: "") }

    private static func run(_ kind: String, _ subjects: [Subject], mutations: Int, in directory: String) throws {
        var (done, refused, skipped) = (0, 0, 0)
        let wholes = try subjects.map { subject in
            let path = subject.file.isEmpty ? subject.path : "\(subject.path)/\(subject.file)"
            return (path, try gunzipped([UInt8](Data(contentsOf: URL(fileURLWithPath: path))), directory))
        }
        for number in fuzzIterations(mutations) {
            let (subject, (path, whole)) = (subjects[number % subjects.count], wholes[number % subjects.count])
            var generator = KeyedGenerator(seed: 17, .drawing, number)
            var bytes = whole
            mutate(&bytes, using: &generator)
            try write(bytes, to: path)
            do {
                let source = try ShardSource(subject.path, .init(within: subject.within))
                let out = "\(directory)/out"
                defer { try? FileManager.default.removeItem(atPath: out) }
                var options = try smallOptions(jobs: 1)
                options.format = .patches(try PatchGrid(imageSize: 32, patchSize: 8, pixel: subject.pixel))
                options.shardSize = 64
                options.pixelLimit = 1 << 20
                skipped += try Sharding.run(source: source, output: out, options: options).skipped
            } catch let failure as Failure {
                refused += 1
                let isNamed = failure.problem.contains((subject.path as NSString).lastPathComponent)
                if !isNamed || "\(failure)".contains("\n") { print("mutation \(number) of \(kind): \(failure)") }
            }
            done += 1
            try write(whole, to: path)
        }
        print("of \(done) mutated sources of \(kind) \(refused) were refused, \(skipped) images were left out")
    }

    /// The contents of a file that may be compressed, so that the mutations are in what is read.
    private static func gunzipped(_ bytes: [UInt8], _ directory: String) throws -> [UInt8] {
        guard bytes.starts(with: [0x1F, 0x8B]) else { return bytes }
        try write(bytes, to: "\(directory)/packed.gz")
        try ShardsTests.run("gunzip", "-kf", "\(directory)/packed.gz")
        return [UInt8](try Data(contentsOf: URL(fileURLWithPath: "\(directory)/packed")))
    }

    private static func mutate(_ bytes: inout [UInt8], using generator: inout KeyedGenerator) {
        for _ in 0...generator.index(below: 3) {
            // Headers are at the ends, where a third of the changes are each.
            let span = min(bytes.count, 400)
            let start = [0, bytes.count - span, generator.index(below: bytes.count)][generator.index(below: 3)]
            let place = min(bytes.count - 1, start + generator.index(below: span))
            switch generator.index(below: 5) {
            case 0: bytes[place] ^= 1 << UInt8(generator.index(below: 8))
            case 1: bytes[place] = UInt8(truncatingIfNeeded: generator.next())
            case 2: for index in place..<min(bytes.count, place + 8) { bytes[index] = 0xFF }
            case 3: for index in place..<min(bytes.count, place + 4) { bytes[index] = index == place + 3 ? 0x7F : 0 }
            default:
                let other = generator.index(below: bytes.count)
                for index in 0..<min(16, bytes.count - max(place, other)) {
                    bytes[place + index] = bytes[other + index]
                }
            }
        }
        if generator.index(below: 10) == 0 { bytes.removeLast(generator.index(below: bytes.count)) }
    }
}
