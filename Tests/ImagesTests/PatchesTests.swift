import Base
import Images
import Testing

@Suite struct PatchesTests {
    @Test(arguments: [(32, 8), (32, 32), (6, 1), (48, 16)])
    func patchifyAndUnpatchifyAreInverse(side: Int, patchSize: Int) throws {
        let image = try patternedImage(width: side, height: side)
        let grid = try PatchGrid(imageSize: side, patchSize: patchSize)
        var patches = [UInt8](repeating: 0, count: grid.valueCount)
        grid.patchify(image.pixels, into: &patches)
        var restored = [UInt8](repeating: 0, count: grid.valueCount)
        grid.unpatchify(patches, into: &restored)
        #expect(restored == image.pixels)
    }

    @Test func patchesAreOrderedByGridRows() throws {
        let grid = try PatchGrid(imageSize: 4, patchSize: 2)
        try #require(grid.patchCount == 4 && grid.valuesPerPatch == 12)
        let image = (0..<48).map { UInt8($0) }
        var patches = [UInt8](repeating: 0, count: 48)
        grid.patchify(image, into: &patches)
        #expect(patches[..<12] == [0, 1, 2, 3, 4, 5, 12, 13, 14, 15, 16, 17])
        #expect(patches[12..<24] == [6, 7, 8, 9, 10, 11, 18, 19, 20, 21, 22, 23])
        #expect(patches[24..<30] == [24, 25, 26, 27, 28, 29])
    }

    @Test(arguments: [(0, 1), (32, 0), (32, 5), (32, 64), (5000, 10), (-32, 8), (32, -8)])
    func rejectsInvalidSizes(side: Int, patchSize: Int) {
        #expect(throws: Failure.self) { try PatchGrid(imageSize: side, patchSize: patchSize) }
    }

    @Test(arguments: [(32, 16), (8, 4), (6, 3), (64, 32)], [1, 2, 3, 4, 5, 13, 16, 40])
    func normalisesByChannel(sizes: (side: Int, patchSize: Int), channels: Int) throws {
        let pixel = try PixelFormat(channels: channels, depth: 8)
        let grid = try PatchGrid(imageSize: sizes.side, patchSize: sizes.patchSize, pixel: pixel)
        let mean = (0..<channels).map { 0.3 + 0.4 * Double($0) / Double(channels) }
        let deviation = (0..<channels).map { 0.1 + 0.3 / Double($0 + 1) }
        let image = (0..<grid.valueCount).map { UInt8(truncatingIfNeeded: 37 * $0 + $0 / 256) }
        var result = [Float](repeating: .nan, count: grid.valueCount)
        try PatchNormaliser(Normalisation(mean: mean, deviation: deviation)).patches(
            of: image.map { Float($0) }, side: sizes.side, patchSize: sizes.patchSize, into: &result)
        var patches = [UInt8](repeating: 0, count: grid.valueCount)
        grid.patchify(image, into: &patches)
        let worst = patches.enumerated().map { index, value in
            let expected = (Double(value) / 255 - mean[index % channels]) / deviation[index % channels]
            return abs(Double(result[index]) - expected)
        }.max()
        #expect(try #require(worst) < 2e-6)
    }
}
