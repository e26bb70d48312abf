import Base
import Foundation
import Images
import Testing

@Suite struct DrawnKindsTests {
    private func collection(_ kind: DrawingKind, images: Int = 30, side: Int = 64, seed: UInt64 = 0) throws
        -> DrawnCollection
    {
        try DrawnCollection(kind, images: images, classes: nil, side: side, seed: seed)
    }

    private func values(_ image: Image) -> [Int] {
        stride(from: 0, to: image.pixels.count, by: 2).map { Int(image.pixels[$0]) | Int(image.pixels[$0 + 1]) << 8 }
    }

    /// Checksums of the values of 20 images and their masks, the same on every machine.
    @Test(arguments: [
        (DrawingKind.defects, 1_038_667_836 as UInt32), (.cells, 2_506_801_392), (.fields, 3_299_933_959),
        (.shapes, 3_606_070_555),
    ])
    func isTheSameEverywhere(kind: DrawingKind, expected: UInt32) throws {
        let drawn = try collection(kind, images: 20, side: 40, seed: 7)
        var checksum = Checksum()
        for number in 0..<20 {
            let scene = try drawn.scene(number)
            scene.image.pixels.withUnsafeBytes { checksum.update($0) }
            scene.mask?.pixels.withUnsafeBytes { checksum.update($0) }
        }
        #expect(checksum.value == expected)
    }

    @Test(arguments: DrawingKind.allCases)
    func isAFunctionOfItsArguments(kind: DrawingKind) throws {
        let image = try collection(kind).scene(5).image
        #expect(try collection(kind).scene(5).image == image)
        // Of the same class.
        let next = 5 + (try collection(kind).classes)
        #expect(try collection(kind).scene(next).image != image)
        #expect(try collection(kind, seed: 1).scene(5).image != image)
    }

    /// Three of five surfaces are for training, and each kind of defect has its folder.
    @Test func surfacesAreDividedAsInAnInspection() throws {
        let drawn = try collection(.defects, images: 150)
        let places = (0..<150).map { drawn.place(of: $0).image }
        #expect(Set(places).count == 150)
        #expect(places.count { $0.hasPrefix("train/good/") } == 90)
        #expect(places.count { $0.hasPrefix("test/good/") } == 30)
        for defect in Drawing.defects {
            #expect(places.count { $0.hasPrefix("test/\(defect)/") } == 6)
            for product in Drawing.products {
                #expect(places.count { $0.hasPrefix("test/\(defect)/\(product)-") } == 2)
            }
        }
        for number in 0..<150 {
            #expect((try drawn.scene(number).mask == nil) == drawn.place(of: number).image.contains("/good/"))
        }
    }

    /// Defects are small, and neither simply dark nor simply bright.
    @Test func defectsAreSmallAndInconspicuous() throws {
        let drawn = try collection(.defects, images: 450)
        var brighter = 0
        var count = 0
        for number in 0..<450 {
            let scene = try drawn.scene(number)
            guard let mask = scene.mask else { continue }
            let inside = (0..<64 * 64).filter { mask.pixels[3 * $0] == 255 }
            #expect((0.003...0.05).contains(Double(inside.count) / 4096), "\(drawn.place(of: number))")
            func mean(_ places: some Collection<Int>) -> Double {
                places.reduce(0.0) { $0 + Double(scene.image.pixels[3 * $1 + 1]) } / Double(places.count)
            }
            let difference = mean(inside) - mean(0..<64 * 64)
            #expect(abs(difference) < 100)
            count += 1
            brighter += difference > 0 ? 1 : 0
        }
        #expect(count == 90 && (15...75).contains(brighter), "\(brighter)")
    }

    /// A camera of 12 bits; cells are brighter than what is around them, but some of what is around them is brighter than some cells.
    @Test func cellsAreBrightBlobs() throws {
        let drawn = try collection(.cells, images: 16)
        for number in 0..<16 {
            let scene = try drawn.scene(number)
            let (values, mask) = (values(scene.image), try #require(scene.mask))
            #expect(scene.image.format == (try PixelFormat(channels: 1, depth: 16)))
            #expect((values.max() ?? 0) <= 4095 && (values.min() ?? 0) > 50)
            let inside = values.indices.filter { mask.pixels[3 * $0] == 255 }.map { values[$0] }
            let outside = values.indices.filter { mask.pixels[3 * $0] == 0 }.map { values[$0] }
            try #require(inside.count > 40 && outside.count > 1000)
            #expect(inside.reduce(0, +) / inside.count > 200 + outside.reduce(0, +) / outside.count)
            #expect((outside.max() ?? 0) > (inside.min() ?? 0))
        }
    }

    /// The index (near infrared - red) / (near infrared + red) tells plants from soil and water.
    @Test func fieldsHaveTheSpectraOfTheirClass() throws {
        let drawn = try collection(.fields, images: 50)
        let expected = [
            "crops": 0.6...0.95, "forest": 0.6...0.95, "soil": 0.0...0.3, "urban": -0.1...0.25, "water": -0.6...0.0,
        ]
        for number in 0..<50 {
            let scene = try drawn.scene(number)
            let (values, mask) = (values(scene.image), try #require(scene.mask))
            #expect(scene.image.format == (try PixelFormat(channels: 4, depth: 16)))
            let inside = (0..<4096).filter { mask.pixels[3 * $0] == 255 }
            // Clouds may hide most of an image.
            #expect(inside.count > 300, "\(drawn.place(of: number)): \(inside.count)")
            let red = inside.reduce(0) { $0 + values[4 * $1] }
            let infrared = inside.reduce(0) { $0 + values[4 * $1 + 3] }
            let use = try #require(drawn.place(of: number).image.split(separator: "/").first)
            #expect(expected[String(use)]?.contains(Double(infrared - red) / Double(infrared + red)) == true)
        }
    }

    @Test func refusesClassesThatAKindLacks() {
        #expect(throws: Failure.self) { try DrawnCollection(.cells, images: 10, classes: 5, side: 32, seed: 0) }
        #expect(throws: Failure.self) { try DrawnCollection(.shapes, images: 2, classes: 3, side: 32, seed: 0) }
        #expect(throws: Failure.self) { try collection(.fields, side: 0).scene(0) }
    }
}
