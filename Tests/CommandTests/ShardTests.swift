import Foundation
import TestSupport
import Testing

@Suite struct ShardTests {
    @Test func aFileThatIsNoImageIsSkippedOrWithStrictAnError() throws {
        try withTemporaryDirectory { path in
            let drawn = try crate(["synthesize", "\(path)/images", "--images", "6", "--classes", "2"])
            try #require(drawn.status == 0, "\(drawn.errors)")
            try Data("text".utf8).write(to: URL(fileURLWithPath: "\(path)/images/class-00/text.jpg"))
            let options = ["--image-size", "32", "--patch-size", "8"]
            let lenient = try crate(["shard", "\(path)/images", "\(path)/lenient"] + options)
            #expect(lenient.status == 0 && lenient.output.contains("6 images of 2 classes"))
            #expect(try names(in: "\(path)/lenient") == ["index.json", "shard-00000.h5", "skipped.txt"])
            let skipped = try String(contentsOfFile: "\(path)/lenient/skipped.txt", encoding: .utf8)
            #expect(skipped.hasPrefix("class-00/text.jpg\t") && skipped.split(separator: "\n").count == 1)
            let strict = try crate(["shard", "\(path)/images", "\(path)/strict", "--strict"] + options)
            #expect(strict.status == 1 && strict.failureLines.count == 1)
            #expect(try names(in: "\(path)/strict") == ["skipped.txt"])
            let again = try crate(["shard", "\(path)/images", "\(path)/lenient"] + options)
            #expect(again.status == 1 && again.failureLines.first?.contains("not empty") == true)
        }
    }
}

@Suite(.serialized) struct BenchTests {
    /// The parts of a step are the whole of it, but for what the stopwatch itself costs.
    @Test func thePartsAddUpToTheStep() throws {
        let result = try crate([
            "bench", "--dim", "96", "--depth", "2", "--heads", "3", "--image-size", "64", "--batch-size", "8",
            "--steps",
            "3", "--json",
        ])
        try #require(result.status == 0, "\(result.errors)")
        let object = try #require(try JSONSerialization.jsonObject(with: Data(result.output.utf8)) as? [String: Any])
        let parts = try #require(object["seconds"] as? [String: Double])
        let step = try #require(object["step_seconds"] as? Double)
        #expect(
            Set(parts.keys) == [
                "embedding", "mssa", "ista", "decoder", "loss", "data", "reduction", "optimizer",
            ])
        let sum = parts.values.reduce(0, +)
        #expect(sum <= step * 1.0001 && sum > 0.95 * step)
        let rates = try #require(object["images_per_second"] as? [String: Double])
        #expect(rates.keys.sorted() == ["max", "median", "min"])
        #expect(try #require(object["peak_memory_bytes"] as? Int) > 10 << 20)
    }
}
