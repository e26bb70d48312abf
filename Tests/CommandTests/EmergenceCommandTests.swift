import Foundation
import Images
import TestSupport
import Testing

/// The fields read from a line of `--json`.
private struct Record: Decodable {
    struct Overlap: Decodable { let iou: Double }
    struct Choice: Decodable { let overlap: Overlap }
    struct Result: Decodable {
        let images: Int
        let heads: [Overlap]
        let best: Choice
        let blob: Choice
    }
    let layer: Int
    let result: Result
}

@Suite struct EmergenceCommandTests {
    @Test func attentionIsComparedWithTheDrawnShapes() throws {
        try withTemporaryDirectory { path in
            let (images, masks, shards, run) = ("\(path)/images", "\(path)/masks", "\(path)/shards", "\(path)/run")
            let size = ["--images", "12", "--classes", "2", "--image-size", "32"]
            #expect(try crate(["synthesize", images, "--masks", masks] + size).status == 0)
            // The images are the same with and without masks. A mask contains only black and white, and both.
            #expect(try crate(["synthesize", "\(path)/plain"] + size).status == 0)
            let files = FileManager.default
            #expect(files.contentsEqual(atPath: "\(path)/plain", andPath: images))
            let mask = try ImageDecoder.decode(
                [UInt8](Data(contentsOf: URL(fileURLWithPath: "\(masks)/class-01/00003.png"))))
            #expect(Set(mask.pixels) == [0, 255] && mask.width == 32)

            #expect(try crate(["shard", images, shards, "--image-size", "32", "--patch-size", "8"]).status == 0)
            let trained = try crate(
                [
                    "pretrain", "--data", shards, "--run", run, "--dim", "16", "--depth", "2", "--heads", "2",
                    "--image-size", "32", "--patch-size", "8", "--batch-size", "4", "--steps", "1",
                ])
            #expect(trained.status == 0, "\(trained.errors)")
            let emergence = ["emergence", "--checkpoint", run, "--images", images]
            let json = ["--masks", masks, "--json"]
            let alone = try crate(emergence + json)
            #expect(alone.status == 0, "\(alone.errors)")
            let record = try JSONDecoder().decode(Record.self, from: Data(alone.output.utf8))
            #expect(record.layer == 2 && record.result.images == 12 && record.result.heads.count == 2)
            #expect((0...1).contains(record.result.best.overlap.iou) && record.result.blob.overlap.iou > 0.01)
            #expect(try crate(emergence + json, ranks: 2).output == alone.output)
            #expect(try crate(emergence + json + ["--random", "5"]).output != alone.output)

            try files.createDirectory(atPath: "\(path)/black", withIntermediateDirectories: true)
            for (options, problem) in [
                (["--masks", masks, "--layer", "3"], "no layer 3"),
                (["--masks", "\(path)/black"], "class-00/00000.png"),
                (["--masks", masks, "--images", "\(path)/black"], "fewer than two"),
            ] {
                let result = try crate(
                    ["emergence", "--checkpoint", run] + (options.contains("--images") ? [] : ["--images", images])
                        + options)
                #expect(result.status == 1)
                #expect(result.failureLines.count == 1)
                #expect(result.errors.contains(problem), "\(result.errors)")
            }
        }
    }
}
