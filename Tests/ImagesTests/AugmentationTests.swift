import Base
import Foundation
import Images
import Testing

/// An image with a side of 21 pixels, as floats.
private let side = 21
private func picture() throws -> [Float] { try patternedImage(width: side, height: side).pixels.map(Float.init) }

private func applied(_ operation: RandomOperations.Operation, _ strength: Float, sign: Float = 1) throws -> [Float] {
    var image = try picture()
    let operations = try RandomOperations(side: side)
    operations.apply(operation, strength, sign: sign, to: &image)
    return image
}

@Suite struct RandomOperationTests {
    @Test(arguments: RandomOperations.Operation.allCases, [Float(0), 0.5, 1])
    func valuesStayInRangeAndZeroStrengthChangesLittle(
        operation: RandomOperations.Operation, strength: Float
    ) throws {
        let (before, after) = (try picture(), try applied(operation, strength))
        #expect(after.allSatisfy { (0...255).contains($0) })
        let isUnchanged = zip(before, after).allSatisfy { abs($0 - $1) < 1e-3 }
        let hasNoStrength = [.identity, .stretch, .equalise].contains(operation)
        #expect(isUnchanged == (operation == .identity || !hasNoStrength && strength == 0))
    }

    @Test func imagesAreMovedByTheGivenDistance() throws {
        let before = try picture()
        // 0.45 of 21 pixels, times 20 / 189, is one pixel.
        let right = try applied(.translateX, 20.0 / 189)
        let down = try applied(.translateY, 20.0 / 189, sign: -1)
        for row in 0..<side {
            for place in 0..<3 * side {
                let own = row * 3 * side + place
                #expect(abs(right[own] - (place + 3 < 3 * side ? before[own + 3] : 128)) < 0.01)
                #expect(abs(down[own] - (row > 0 ? before[own - 3 * side] : 128)) < 0.01)
            }
        }
        // The centre does not move.
        let centre = (side * (side / 2) + side / 2) * 3
        for operation in [RandomOperations.Operation.rotate, .shearX, .shearY] {
            #expect(abs(try applied(operation, 1)[centre] - before[centre]) < 0.01)
        }
    }

    @Test func coloursAreBlended() throws {
        let before = try picture()
        func grey(_ pixel: Int) -> Float {
            let (red, green, blue) = (before[3 * pixel], before[3 * pixel + 1], before[3 * pixel + 2])
            return 0.299 * red + 0.587 * green + 0.114 * blue
        }
        let mean = (0..<side * side).reduce(Float(0)) { $0 + grey($1) } / Float(side * side)
        let (dark, flat, pale) = (
            try applied(.brightness, 1, sign: -1), try applied(.contrast, 1, sign: -1),
            try applied(.colour, 1, sign: -1)
        )
        for i in before.indices {
            #expect(abs(dark[i] - 0.1 * before[i]) < 1e-3)
            #expect(abs(flat[i] - (mean + 0.1 * (before[i] - mean))) < 1e-2)
            let grey = grey(i / 3)
            #expect(abs(pale[i] - (grey + 0.1 * (before[i] - grey))) < 1e-2)
        }
    }

    @Test func levelsAreMapped() throws {
        let before = try picture()
        let (few, inverted) = (try applied(.posterise, 1), try applied(.solarise, 0.5))
        for i in before.indices {
            #expect(few[i] == Float(Int(before[i]) / 16 * 16))
            #expect(inverted[i] == (before[i] > 127.5 ? 255 - before[i] : before[i]))
        }
        // Green has only two levels, each larger than the equal share: nothing to equalise.
        for (image, channels) in [(try applied(.stretch, 0), [0, 1, 2]), (try applied(.equalise, 0), [0, 2])] {
            for channel in channels {
                let values = stride(from: channel, to: image.count, by: 3).map { image[$0] }
                let (low, high) = (try #require(values.min()), try #require(values.max()))
                #expect(abs(low) < 1e-3 && abs(high - 255) < 1e-3, "\(low) \(high)")
            }
        }
    }

    @Test func resultDependsOnlyOnTheGenerator() throws {
        let operations = try RandomOperations(side: side)
        func drawn(_ sample: Int) throws -> [Float] {
            var (image, generator) = (try picture(), KeyedGenerator(seed: 1, .augmentation, 0, sample))
            operations.apply(to: &image, count: 2, magnitude: 20, using: &generator)
            return image
        }
        #expect(try drawn(3) == drawn(3))
        #expect(Set(try (0..<20).map(drawn)).count > 15)
    }
}

@Suite struct ErasingAndMixingTests {
    @Test func rectanglesAreErasedWithTheGivenProbability() throws {
        let before = try picture()
        var erased = 0
        for sample in 0..<400 {
            var (image, generator) = (before, KeyedGenerator(seed: 2, .augmentation, 0, sample))
            RandomErasing.apply(
                to: &image, side: side, probability: 0.25, colour: [1, 2, 3], using: &generator)
            let pixels = (0..<side * side).filter { Array(image[3 * $0..<3 * $0 + 3]) == [1, 2, 3] }
            guard !pixels.isEmpty else { continue }
            erased += 1
            #expect((0.005...0.34).contains(Double(pixels.count) / Double(side * side)))
            let (rows, columns) = (Set(pixels.map { $0 / side }), Set(pixels.map { $0 % side }))
            #expect(rows.count * columns.count == pixels.count, "a rectangle")
            let others = Set(0..<side * side).subtracting(pixels)
            #expect(others.allSatisfy { image[3 * $0] == before[3 * $0] })
        }
        #expect((60...140).contains(erased))
    }

    /// The share of the targets equals the share of the pixels.
    @Test(arguments: [(0.8, 0.0), (0, 1), (0.8, 1)])
    func targetShareEqualsPixelShare(mixup: Double, cutmix: Double) {
        let augmentation = Augmentation(mixup: mixup, cutmix: cutmix)
        let other = [Float](repeating: 0, count: 3 * side * side)
        var (cuts, shares): (Int, [Double]) = (0, [])
        for sample in 0..<600 {
            var generator = KeyedGenerator(seed: 3, .mixing, 0, sample)
            let mixing = Mixing.draw(augmentation, side: side, using: &generator)
            var image = [Float](repeating: 1, count: 3 * side * side)
            mixing.apply(other, to: &image, side: side, channels: 3)
            let sum = image.reduce(0.0) { $0 + Double($1) }
            #expect(abs(sum / Double(image.count) - mixing.share) < 1e-6)
            cuts += mixing.rectangle == nil ? 0 : 1
            shares.append(mixing.share)
        }
        let expected = mixup == 0 ? 600...600 : cutmix == 0 ? 0...0 : 240...360
        #expect(expected.contains(cuts))
        guard cutmix == 0 else { return }
        // Beta(a, a) has mean 1/2 and variance 1 / (4 (2 a + 1)).
        let mean = shares.reduce(0, +) / 600
        let variance = shares.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / 600
        #expect(abs(mean - 0.5) < 0.05 && abs(variance - 1 / 10.4) < 0.012)
    }
}
