import Base
import Foundation
import Images
import Testing

@Suite struct ResamplerTests {
    @Test(arguments: ["short-side-32", "short-side-9", "crop-24", "enlarged-24"])
    func resizesLikePillow(name: String) throws {
        let picture = try ImageDecoder.decode(fixture("picture.png"))
        let framing: Framing =
            switch name {
            case "short-side-32": .shortSide(ofWidth: 61, height: 45, to: 32)
            case "short-side-9": .shortSide(ofWidth: 61, height: 45, to: 9)
            case "crop-24": Framing(crop: Crop(x: 5, y: 3, width: 41, height: 39), side: 24)
            default: Framing(crop: Crop(x: 50, y: 30, width: 11, height: 15), side: 24)
            }
        var resampler = try Resampler()
        let resized = try resampler.resample(picture, framing: framing)
        #expect(resized.pixels == (try fixture("resized-\(name).rgb")))
    }

    /// Sources and sizes whose rows and columns are not multiples of the vector width.
    static let framings: [(width: Int, height: Int, framing: Framing)] = [
        (50, 37, .shortSide(ofWidth: 50, height: 37, to: 16)),
        (37, 50, .shortSide(ofWidth: 37, height: 50, to: 21)),
        (64, 64, Framing(crop: Crop(x: 3, y: 2, width: 59, height: 61), side: 48, isFlipped: true)),
        (64, 64, Framing(crop: Crop(x: 40, y: 50, width: 7, height: 5), side: 33)),
        (5, 3, Framing(crop: Crop(x: 4, y: 2, width: 1, height: 1), side: 3)),
        (1, 1, .shortSide(ofWidth: 1, height: 1, to: 8)),
        (300, 2, .shortSide(ofWidth: 300, height: 2, to: 5)),
        (2, 300, .shortSide(ofWidth: 2, height: 300, to: 5)),
        (24, 24, Framing(crop: Crop(x: 0, y: 0, width: 24, height: 24), side: 24, isFlipped: true)),
    ]

    @Test(arguments: framings.indices)
    func matchesThePlainFilter(number: Int) throws {
        let (width, height, framing) = ResamplerTests.framings[number]
        let image = try patternedImage(width: width, height: height)
        var resampler = try Resampler()
        let count = framing.window.width * framing.window.height * 3

        let bytes = try resampler.resample(image, framing: framing).pixels
        var floats = [Float](repeating: -1, count: count)
        try resampler.resample(
            image.pixels, width: width, height: height, rowBytes: 3 * width, framing: framing, into: &floats)
        let rounded = naiveResample(image, framing, isRounded: true)
        try #require(bytes.count == count && rounded.count == count)
        for index in 0..<count {
            // A sum near one half may be rounded differently in the first pass, with a weight below 1.2.
            #expect(abs(Double(bytes[index]) - rounded[index]) <= 1 + 1e-9)
            #expect(abs(Double(floats[index]) - rounded[index]) <= 1.2)
        }
        let close = zip(floats, rounded).filter { abs(Double($0) - $1) < 0.001 }.count
        #expect(close * 100 >= count * 95)
    }

    @Test func roundingBetweenPassesIsBelowOneLevelOnSmoothImages() throws {
        let picture = try ImageDecoder.decode(fixture("picture.png"))
        let framing = Framing(crop: Crop(x: 5, y: 3, width: 41, height: 39), side: 24)
        var floats = [Float](repeating: -1, count: 24 * 24 * 3)
        var resampler = try Resampler()
        try resampler.resample(
            picture.pixels, width: 61, height: 45, rowBytes: 183, framing: framing, into: &floats)
        let exact = naiveResample(picture, framing, isRounded: false)
        for (value, expected) in zip(floats, exact) { #expect(abs(Double(value) - expected) < 1) }
    }

    @Test func sameSizeIsTheSameImage() throws {
        let image = try patternedImage(width: 33, height: 33)
        var resampler = try Resampler()
        let whole = Crop(x: 0, y: 0, width: 33, height: 33)
        #expect(try resampler.resample(image, framing: Framing(crop: whole, side: 33)) == image)

        let flipped = try resampler.resample(image, framing: Framing(crop: whole, side: 33, isFlipped: true))
        try #require(flipped.pixels.count == image.pixels.count)
        for row in 0..<33 {
            for column in 0..<33 {
                let here = 3 * (row * 33 + column)
                let there = 3 * (row * 33 + 32 - column)
                #expect(flipped.pixels[here..<here + 3] == image.pixels[there..<there + 3])
            }
        }
    }

    @Test func neverReadsOutsideTheCropAndFollowsTheRowStride() throws {
        let inner = try patternedImage(width: 20, height: 18)
        // The same pixels inside a larger image, whose other values must not matter.
        var outer = [UInt8](repeating: 255, count: 40 * 100)
        for row in 0..<18 {
            for value in 0..<60 { outer[(row + 5) * 100 + 12 + value] = inner.pixels[row * 60 + value] }
        }
        var resampler = try Resampler()
        var output = [UInt8](repeating: 0, count: 31 * 31 * 3)
        try resampler.resample(
            outer, width: 33, height: 40, rowBytes: 100,
            framing: Framing(crop: Crop(x: 4, y: 5, width: 20, height: 18), side: 31), into: &output)
        let expected = try resampler.resample(
            inner, framing: Framing(crop: Crop(x: 0, y: 0, width: 20, height: 18), side: 31))
        #expect(output == expected.pixels)
    }

    @Test(arguments: [
        Crop(x: -1, y: 0, width: 4, height: 4), Crop(x: 0, y: 7, width: 4, height: 4),
        Crop(x: 0, y: 0, width: 0, height: 4), Crop(x: 5, y: 0, width: .max, height: 4),
    ])
    func rejectsACropOutsideTheImage(crop: Crop) throws {
        let image = try patternedImage(width: 10, height: 10)
        var resampler = try Resampler()
        var isRejected = false
        do { _ = try resampler.resample(image, framing: Framing(crop: crop, side: 4)) } catch is Failure {
            isRejected = true
        }
        #expect(isRejected)
    }
}
