import Base
import Foundation
import Images
import Testing

@Suite struct FramingTests {
    @Test(arguments: [
        // width, height, size -> resized size and window, as torchvision computes them.
        (500, 375, 256, 341, 256, 42, 0), (375, 500, 256, 256, 341, 0, 42), (320, 685, 256, 256, 548, 0, 146),
        (256, 256, 256, 256, 256, 0, 0), (30, 33, 32, 32, 35, 0, 2), (100, 34, 8, 23, 8, 8, 0),
    ])
    func shortSide(width: Int, height: Int, size: Int, w: Int, h: Int, x: Int, y: Int) {
        let framing = Framing.shortSide(ofWidth: width, height: height, to: size)
        #expect(framing.crop == Crop(x: 0, y: 0, width: width, height: height))
        #expect(framing.width == w)
        #expect(framing.height == h)
        #expect(framing.window == Crop(x: x, y: y, width: size, height: size))
        #expect(!framing.isFlipped)
    }

    @Test(arguments: [
        (256, 224, 16, 224), (32, 32, 0, 32), (96, 64, 6, 84), (64, 96, 0, 64), (512, 224, 32, 448),
    ])
    func evaluation(stored: Int, side: Int, margin: Int, kept: Int) {
        let framing = Framing.evaluation(stored: stored, side: side)
        #expect(framing == Framing(crop: Crop(x: margin, y: margin, width: kept, height: kept), side: side))
    }

    @Test(arguments: [
        // torchvision's Resize(8/7 side) and CenterCrop(side).
        (500, 375, 224, 341, 256, 58, 16), (160, 240, 224, 256, 384, 16, 80), (256, 256, 224, 256, 256, 16, 16),
        (50, 37, 32, 50, 37, 9, 2),
    ])
    func evaluationOfAnySize(width: Int, height: Int, side: Int, w: Int, h: Int, x: Int, y: Int) {
        let framing = Framing.evaluation(width: width, height: height, side: side)
        #expect(framing.crop == Crop(x: 0, y: 0, width: width, height: height))
        #expect(framing.width == w && framing.height == h)
        #expect(framing.window == Crop(x: x, y: y, width: side, height: side))
    }

    @Test func randomCropsAreInsideAndUniform() {
        let (width, height) = (200, 160)
        var generator = KeyedGenerator(seed: 1, .augmentation, 0)
        var areas: [Double] = []
        var logarithms: [Double] = []
        var flips = 0
        for _ in 0..<4000 {
            let framing = RandomResizedCrop.draw(width: width, height: height, side: 24, using: &generator)
            let crop = framing.crop
            #expect(crop.x >= 0 && crop.y >= 0 && crop.x + crop.width <= width && crop.y + crop.height <= height)
            #expect(framing.window == Crop(x: 0, y: 0, width: 24, height: 24))
            areas.append(Double(crop.width * crop.height) / Double(width * height))
            logarithms.append(log(Double(crop.width) / Double(crop.height)))
            flips += framing.isFlipped ? 1 : 0
        }
        #expect(areas.min()! > 0.19 && areas.max()! <= 1)
        #expect(logarithms.min()! > log(0.74) && logarithms.max()! < log(1.35))
        // The standard deviation of the number of flips is 32, and of the mean area 0.0033. The expected area is from
        // 300,000 draws of a separate implementation of the same rule.
        #expect(abs(flips - 2000) < 160)
        #expect(abs(areas.reduce(0, +) / 4000 - 0.5177) < 0.015)
    }

    @Test func areasOfSquareImagesHaveTheExpectedDistribution() {
        var generator = KeyedGenerator(seed: 2, .augmentation, 0)
        var quarters = [0, 0, 0, 0]
        for _ in 0..<4000 {
            let crop = RandomResizedCrop.draw(width: 256, height: 256, side: 224, using: &generator).crop
            let area = Double(crop.width * crop.height) / 65_536
            quarters[min(3, max(0, Int((area - 0.2) / 0.2)))] += 1
        }
        // Wide or tall crops of large area do not fit, so the last quarter is drawn less often. The expected counts are
        // scaled from 300,000 draws of a separate implementation of the same rule; a standard deviation is below 30.
        for (count, expected) in zip(quarters, [1187, 1189, 1163, 459]) {
            #expect(abs(count - expected) < 140, "\(quarters)")
        }
    }

    @Test(arguments: [
        (1000, 10, Crop(x: 493, y: 0, width: 13, height: 10)), (10, 1000, Crop(x: 0, y: 493, width: 10, height: 13)),
    ])
    func cropThatNeverFitsIsCentral(width: Int, height: Int, expected: Crop) {
        var generator = KeyedGenerator(seed: 3, .augmentation, 0)
        let framing = RandomResizedCrop.draw(width: width, height: height, side: 8, using: &generator)
        #expect(framing.crop == expected)
    }

    @Test func sameKeysGiveTheSameCrop() {
        func draw(_ sample: Int) -> Framing {
            var generator = KeyedGenerator(seed: 7, .augmentation, 3, sample)
            return RandomResizedCrop.draw(width: 256, height: 256, side: 224, using: &generator)
        }
        #expect(draw(5) == draw(5))
        #expect(Set((0..<50).map { draw($0).crop.x * 1000 + draw($0).crop.width }).count > 40)
    }
}
