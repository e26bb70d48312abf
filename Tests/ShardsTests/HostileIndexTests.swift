import Base
import Foundation
import Images
import Shards
import TestSupport
import Testing

/// Indexes and records of shards with hostile values and a correct checksum: each is refused in one line or harmless, and nothing
/// outside of the directory changes.
@Suite struct HostileIndexTests {
    @Test func hostileIndexesAndRecordsAreHarmless() async throws {
        let result = await #expect(
            processExitsWith: .success, observing: [\.standardOutputContent, \.standardErrorContent]
        ) {
            try IndexFuzz.run(iterations: 600)
        }
        #expect(
            result?.standardErrorContent.isEmpty == true,
            "\(String(decoding: result?.standardErrorContent ?? [], as: UTF8.self))")
        let text = String(decoding: result?.standardOutputContent ?? [], as: UTF8.self)
        #expect(text.contains("hostile indexes and records"))
        print(text, terminator: "")
    }
}

/// Runs in the child process.
enum IndexFuzz {
    static func run(iterations: Int) throws {
        try limitFuzzing(memory: 1 << 30)
        try withTemporaryDirectory { directory in
            _ = try makeSource("\(directory)/in")
            let source = try ShardSource("\(directory)/in")
            let out = "\(directory)/out"
            try Sharding.run(source: source, output: out, options: smallOptions())
            let whole = try RegularFile.contents(of: "\(out)/index.json")
            // A job that is made but not concluded has the records.
            let begun = "\(directory)/begun"
            let job = try Sharding(source: source, output: begun, options: smallOptions())
            guard try job.begin() else { exit(3) }
            try job.makeShards()
            let victim = "\(directory)/victim"
            try write([1, 2, 3], to: victim)
            var generator = KeyedGenerator(seed: 13, .drawing, 0)
            let hostile = HostileJSON { generator.next() }
            var (refused, harmless) = (0, 0)
            func attempt(_ body: () throws -> Void) {
                do {
                    try body()
                    harmless += 1
                } catch {
                    let text = Failure(from: error).description
                    guard text.count < 900, !text.contains("Error(") else {
                        print(text)
                        exit(2)
                    }
                    refused += 1
                }
            }
            for number in fuzzIterations(iterations) {
                if number % 2 == 0 {
                    try write([UInt8](signed(hostile.changed(unsigned(whole)))), to: "\(out)/index.json")
                    attempt {
                        for problem in try ShardVerifier(path: out, jobs: 1).problems()
                        where problem.description.isEmpty {
                            exit(4)
                        }
                    }
                    attempt {
                        var shards = try ShardDirectory(path: out, onCorruption: .substitute)
                        _ = try shards.contactSheet(count: 4)
                        _ = try shards.labels()
                    }
                    try write(whole, to: "\(out)/index.json")
                } else {
                    let copy = "\(directory)/copy"
                    try FileManager.default.copyItem(atPath: begun, toPath: copy)
                    let names = try names(in: "\(copy)/unfinished").filter { $0.hasSuffix(".json") }
                    let path = "\(copy)/unfinished/\(names[Int(generator.next() % UInt64(names.count))])"
                    let record = try hostile.changed(Data(RegularFile.contents(of: path)))
                    try write([UInt8](record), to: path)
                    attempt {
                        let job = try Sharding(source: source, output: copy, options: smallOptions())
                        _ = try job.begin()
                        if number % 4 == 1 { try job.makeShards() }
                        _ = try job.conclude()
                    }
                    try? FileManager.default.removeItem(atPath: copy)
                }
                guard try RegularFile.contents(of: victim) == [1, 2, 3] else { exit(5) }
            }
            print("hostile indexes and records: \(refused) refused, \(harmless) harmless")
        }
    }

    private static func unsigned(_ index: [UInt8]) throws -> Data {
        var fields = try JSONSerialization.jsonObject(with: Data(index)) as? [String: Any] ?? [:]
        fields["indexChecksum"] = nil
        return try JSONSerialization.data(withJSONObject: fields)
    }

    /// `index` with its checksum in the second line, as the program writes it.
    private static func signed(_ index: Data) -> Data {
        guard index.first == UInt8(ascii: "{") else { return index }
        let value = Checksum(of: [UInt8](index)).value
        return index.prefix(1) + Data("\n  \"indexChecksum\" : \(value),".utf8) + index.dropFirst()
    }
}
