import Base
import Images
import Testing

/// Images that are far wider than high, or higher than wide: no crop is drawn that fits, or a single row is left.
@Suite struct PanoramaTests {
    @Test(arguments: [(4000, 3), (20_000, 100), (3, 4000), (100, 20_000), (5000, 1), (1, 5000), (1, 1)])
    func randomCropsAndResizedImagesAreWhole(width: Int, height: Int) throws {
        for format in [PixelFormat.rgb, try PixelFormat(channels: 5, depth: 16)] {
            let image = try Image(
                width: width, height: height,
                pixels: [UInt8](repeating: 0x5A, count: format.bytesPerPixel * width * height), format: format)
            var resampler = try Resampler()
            var generator = KeyedGenerator(seed: 3, .augmentation, 0)
            var framings = (0..<5).map { _ in
                RandomResizedCrop.draw(width: width, height: height, side: 24, using: &generator)
            }
            framings.append(.shortSide(ofWidth: width, height: height, to: 24))
            framings.append(.evaluation(width: width, height: height, side: 24))
            for framing in framings {
                let square = try resampler.resample(image, framing: framing)
                #expect(square.width == 24 && square.height == 24)
                let isWhole = square.pixels.allSatisfy { $0 == 0x5A }
                #expect(isWhole, "\(framing)")
            }
        }
    }
}
