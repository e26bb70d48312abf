import Base
import Foundation
import Images
import Testing

/// Compares real photographs with the results of Pillow and torchvision. Expected values are in Fixtures/real.json, the
/// photographs in CRATE_DATA.
@Suite(.enabled(if: realData != nil, "CRATE_DATA does not name a directory with imagenet-sample"))
struct RealImageTests {
    private struct Expectations: Decodable {
        struct Crop: Decodable {
            let path: String
            let box: [Int]?
            let pillow: Data
            let tensor: Data?
        }
        let decoded: [Decoded]
        let crops: [Crop]
        let centre: [Crop]
    }

    private struct Decoded: Decodable {
        let path: String
        let width, height: Int
        let checksum: UInt32

        init(from decoder: any Decoder) throws {
            var values = try decoder.unkeyedContainer()
            path = try values.decode(String.self)
            width = try values.decode(Int.self)
            height = try values.decode(Int.self)
            checksum = try values.decode(UInt32.self)
        }
    }

    private func expectations() throws -> Expectations {
        try JSONDecoder().decode(Expectations.self, from: Data(fixture("real.json")))
    }

    private func image(_ path: String) throws -> Image {
        let url = URL(fileURLWithPath: "\(try #require(realData))/imagenet-sample/\(path)")
        return try ImageDecoder.decode([UInt8](Data(contentsOf: url)))
    }

    /// Every 14th row and column of 224, starting at 7.
    private func kept(_ image: Image) throws -> [UInt8] {
        try #require(image.width == 224 && image.height == 224)
        return (0..<16).flatMap { row in
            (0..<16).flatMap { column in
                let place = 3 * ((7 + 14 * row) * 224 + 7 + 14 * column)
                return image.pixels[place..<place + 3]
            }
        }
    }

    private func meanDifference(_ values: [UInt8], _ expected: Data) throws -> Double {
        try #require(values.count == expected.count)
        return Double(zip(values, expected).reduce(0) { $0 + abs(Int($1.0) - Int($1.1)) }) / Double(values.count)
    }

    @Test func decodedPixelsMatchPillow() throws {
        let decoded = try expectations().decoded
        #expect(decoded.count == 100)
        for expected in decoded {
            let image = try image(expected.path)
            #expect(image.width == expected.width && image.height == expected.height, "\(expected.path)")
            #expect(image.pixels.withUnsafeBytes { Checksum(of: $0).value } == expected.checksum, "\(expected.path)")
        }
    }

    /// Nearly all pixels equal those of a Pillow image. For tensors, which torchvision resamples differently, the mean error is below one level.
    @Test func cropsMatchTorchvision() throws {
        let crops = try expectations().crops
        #expect(crops.count >= 15)
        var resampler = try Resampler()
        for expected in crops {
            let (image, box) = (try image(expected.path), try #require(expected.box))
            let crop = Crop(x: box[0], y: box[1], width: box[2], height: box[3])
            let pixels = try kept(resampler.resample(image, framing: Framing(crop: crop, side: 224)))
            // Since release 13, Pillow resizes rows first if a crop gets wider and lower.
            let isRowsFirst = crop.width < 224 && crop.height > 224
            #expect(try meanDifference(pixels, expected.pillow) <= (isRowsFirst ? 0.3 : 0), "\(expected.path)")
            #expect(try meanDifference(pixels, #require(expected.tensor)) < 1, "\(expected.path)")
            // The loader's own values; its last pass is not rounded.
            var values = [Float](repeating: -1, count: 224 * 224 * 3)
            try resampler.resample(
                image.pixels, width: image.width, height: image.height, rowBytes: 3 * image.width,
                framing: Framing(crop: crop, side: 224), into: &values)
            try #require(values.allSatisfy { (0...255).contains($0.rounded()) }, "\(expected.path)")
            let rounded = try Image(width: 224, height: 224, pixels: values.map { UInt8($0.rounded()) })
            #expect(try meanDifference(kept(rounded), Data(pixels)) < 0.01, "\(expected.path)")
        }
    }

    /// The evaluation crop of a JPEG of any size.
    @Test func centreCropsMatchTorchvision() throws {
        let centre = try expectations().centre
        #expect(centre.count >= 15)
        var resampler = try Resampler()
        for expected in centre {
            let image = try image(expected.path)
            let framing = Framing.evaluation(width: image.width, height: image.height, side: 224)
            let pixels = try kept(resampler.resample(image, framing: framing))
            #expect(try meanDifference(pixels, expected.pillow) == 0, "\(expected.path)")
        }
    }
}
