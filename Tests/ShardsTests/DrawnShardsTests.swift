import Shards
import TestSupport
import Testing

@Suite struct DrawnShardsTests {
    /// Larger by a seventh, up to the maximum number of patches in a shard.
    @Test(arguments: [(224, 16, 256), (512, 4, 512), (448, 4, 512)])
    func imagesAreLargerThanTheModelInput(imageSize: Int, patchSize: Int, expected: Int) throws {
        try withTemporaryDirectory { directory in
            try DrawnShards.write(to: "\(directory)/drawn", count: 1, imageSize: imageSize, patchSize: patchSize)
            #expect(try ShardIndex.read(directory: "\(directory)/drawn").imageSize == expected)
        }
    }
}
