import Base
import Images
import Testing

@Suite struct DrawingTests {
    @Test func isAFunctionOfItsArguments() throws {
        let image = try Drawing.image(number: 5, label: 3, side: 48, seed: 9)
        #expect(try Drawing.image(number: 5, label: 3, side: 48, seed: 9) == image)
        #expect(try Drawing.image(number: 6, label: 3, side: 48, seed: 9) != image)
        #expect(try Drawing.image(number: 5, label: 4, side: 48, seed: 9) != image)
        #expect(try Drawing.image(number: 5, label: 3, side: 48, seed: 10) != image)
    }

    @Test func isTheSameEverywhere() throws {
        // Channel means over the image: they change if any part of the drawing changes.
        let image = try Drawing.image(number: 0, label: 0, side: 32, seed: 0)
        let sums = (0..<3).map { channel in
            stride(from: channel, to: image.pixels.count, by: 3).reduce(0) { $0 + Int(image.pixels[$1]) }
        }
        let means = sums.map { $0 / 1024 }
        #expect(means == [103, 96, 91])
    }

    @Test(arguments: 0..<40)
    func everyImageShowsAShape(label: Int) throws {
        let image = try Drawing.image(number: label * 17, label: label, side: 40, seed: 1)
        let count = Double(image.pixels.count)
        let mean = image.pixels.reduce(0.0) { $0 + Double($1) } / count
        let variance = image.pixels.reduce(0.0) { $0 + (Double($1) - mean) * (Double($1) - mean) } / count
        #expect(mean > 25 && mean < 235)
        #expect(variance.squareRoot() > 12)
    }

    @Test func rejectsAnInvalidSide() {
        #expect(throws: Failure.self) { try Drawing.image(number: 0, label: 0, side: 0, seed: 0) }
    }
}
