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
            #expect(again.status == 0 && again.output.contains("6 images of 2 classes"))
            let other = try crate(["shard", "\(path)/images", "\(path)/lenient", "--patch-size", "16"])
            #expect(other.status == 1 && other.failureLines.first?.contains("not empty") == true)
        }
    }
}
