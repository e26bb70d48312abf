import Base
import Images
import Testing

/// Images of any number of channels and of 8 or 16 bits.
@Suite struct BandResamplingTests {
    /// `image` with a fourth channel.
    private func widened(_ image: Image) throws -> Image {
        var pixels: [UInt8] = []
        for pixel in 0..<image.width * image.height {
            pixels += image.pixels[3 * pixel..<3 * pixel + 3]
            pixels.append(UInt8(truncatingIfNeeded: 7 * pixel))
        }
        return try Image(
            width: image.width, height: image.height, pixels: pixels, format: PixelFormat(channels: 4, depth: 8))
    }

    /// Channels are resized like those of RGB, bit for bit.
    @Test(arguments: ResamplerTests.framings.indices)
    func channelsOfEightBitsAreResizedLikeRGB(number: Int) throws {
        let (width, height, framing) = ResamplerTests.framings[number]
        let image = try patternedImage(width: width, height: height)
        let wide = try widened(image)
        var resampler = try Resampler()
        let expected = try resampler.resample(image, framing: framing)
        let resized = try resampler.resample(wide, framing: framing)
        let count = expected.width * expected.height
        try #require(resized.format == wide.format && resized.pixels.count == 4 * count)
        #expect(firstThree(of: resized.pixels) == expected.pixels)

        var floats = [Float](repeating: .nan, count: 3 * count)
        try resampler.resample(
            image.pixels, width: width, height: height, rowBytes: 3 * width, framing: framing, into: &floats)
        var wideFloats = [Float](repeating: .nan, count: 4 * count)
        try resampler.resample(
            wide.pixels, width: width, height: height, rowBytes: 4 * width, format: wide.format, framing: framing,
            into: &wideFloats)
        #expect(firstThree(of: wideFloats) == floats)
    }

    /// The first three of four values of each pixel.
    private func firstThree<Value>(of values: [Value]) -> [Value] {
        values.enumerated().filter { $0.offset % 4 < 3 }.map(\.element)
    }

    @Test(arguments: ["short-side-9", "crop-24", "enlarged-24"])
    func sixteenBitsAreResizedLikePillow(name: String) throws {
        let deep = try Image(
            width: 61, height: 45, pixels: fixture("deep.u16"), format: PixelFormat(channels: 1, depth: 16))
        let framing: Framing =
            switch name {
            case "short-side-9": .shortSide(ofWidth: 61, height: 45, to: 9)
            case "crop-24": Framing(crop: Crop(x: 5, y: 3, width: 41, height: 39), side: 24)
            default: Framing(crop: Crop(x: 50, y: 30, width: 11, height: 15), side: 24)
            }
        var resampler = try Resampler()
        let resized = try resampler.resample(deep, framing: framing).pixels
        let isEqual = resized == (try fixture("resized-\(name).u16"))
        #expect(isEqual)
    }

    /// Values of 8 bits times 257 are the same brightness in 16 bits.
    @Test func depthDoesNotChangeBrightness() throws {
        let image = try patternedImage(width: 20, height: 20)
        let deep = try Image(
            width: 20, height: 20, pixels: image.pixels.flatMap { [$0, $0] },
            format: PixelFormat(channels: 3, depth: 16))
        let framing = Framing(crop: Crop(x: 0, y: 0, width: 20, height: 20), side: 20)
        var resampler = try Resampler()
        var values = [[Float]](repeating: [Float](repeating: .nan, count: 1200), count: 2)
        for (number, image) in [image, deep].enumerated() {
            try resampler.resample(
                image.pixels, width: 20, height: 20, rowBytes: image.format.bytesPerPixel * 20, format: image.format,
                framing: framing, into: &values[number])
        }
        #expect(values[0] == image.pixels.map { Float($0) })
        #expect(values[1] == values[0])
    }

    @Test(arguments: [0, -1, 257, 1000], [8, 16])
    func impossibleChannelsAreRefused(channels: Int, depth: Int) {
        #expect(throws: Failure.self) { try PixelFormat(channels: channels, depth: depth) }
        #expect(throws: Failure.self) { try PixelFormat(channels: 1, depth: depth + 4) }
    }

    @Test func patchesKeepAllBytes() throws {
        let grid = try PatchGrid(imageSize: 12, patchSize: 4, pixel: PixelFormat(channels: 5, depth: 16))
        try #require(grid.valuesPerPatch == 80 && grid.byteCount == 2 * 5 * 144)
        let image = (0..<grid.byteCount).map { UInt8(truncatingIfNeeded: 31 * $0) }
        var patches = [UInt8](repeating: 0, count: grid.byteCount)
        grid.patchify(image, into: &patches)
        // The second patch begins with the fifth pixel of the first row.
        #expect(Array(patches[160..<200]) == Array(image[40..<80]))
        var restored = [UInt8](repeating: 0, count: grid.byteCount)
        grid.unpatchify(patches, into: &restored)
        #expect(restored == image)
    }

    /// Chosen bands are shown from 2.5 deviations below the mean to 2.5 above.
    @Test func chosenBandsAreShown() throws {
        let format = try PixelFormat(channels: 4, depth: 16)
        let levels: [UInt16] = [0, 10000, 20000, 30000, 65535, 12000, 15000, 26000]
        let image = try Image(
            width: 2, height: 1, pixels: levels.flatMap { [UInt8($0 & 255), UInt8($0 >> 8)] }, format: format)
        let (mean, deviation) = ([0.5, 0.2, 0.3, 0.4], [0.1, 0.02, 0.04, 0.05])
        let shown = try BandView(bands: [4, 2, 1], mean: mean, deviation: deviation).picture(image)
        func expected(_ number: Int, _ band: Int) -> UInt8 {
            let level = levels[number]
            let place = (Double(level) / 65535 - mean[band]) / (5 * deviation[band]) + 0.5
            return UInt8(max(0, min(255, (255 * place).rounded())))
        }
        let colours: [UInt8] = [
            expected(3, 3), expected(1, 1), expected(0, 0), expected(7, 3), expected(5, 1), expected(4, 0),
        ]
        #expect(shown.format == .rgb && shown.pixels == colours)
        let grey = try BandView(bands: [3], mean: mean, deviation: deviation).picture(image).pixels
        #expect(Set(grey[0..<3]).count == 1 && grey[3] == expected(6, 2))
        for bands in [[], [0], [5], [1, 2], [1, 2, 9], [1, 2, 3, 4]] {
            #expect(throws: Failure.self) { try BandView(bands: bands, mean: mean, deviation: deviation) }
        }
        // RGB is shown as it is, also a single colour of it.
        let picture = try patternedImage(width: 9, height: 5)
        #expect(try BandView(bands: nil, of: .imageNet).picture(picture) == picture)
        let green = try BandView(bands: [2], of: .imageNet).picture(picture).pixels
        let greens: [UInt8] = (0..<135).map { picture.pixels[$0 / 3 * 3 + 1] }
        #expect(green == greens)
    }
}
