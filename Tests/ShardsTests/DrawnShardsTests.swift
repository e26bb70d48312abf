import Shards
import TestSupport
import Testing

@Suite struct DrawnShardsTests {
    /// A seventh more, up to the most patches that shards can have.
    @Test(arguments: [(224, 16, 256), (512, 4, 512), (448, 4, 512)])
    func imagesAreLargerThanAModelSees(imageSize: Int, patchSize: Int, expected: Int) throws {
        try withTemporaryDirectory { directory in
            try DrawnShards.write(to: "\(directory)/drawn", count: 1, imageSize: imageSize, patchSize: patchSize)
            #expect(try ShardIndex.read(directory: "\(directory)/drawn").imageSize == expected)
        }
    }
}
