import Base
import Foundation
import Images
import Testing

@Suite struct DecodingTests {
    @Test(arguments: [
        "rgb.jpg", "grey.jpg", "cmyk.jpg", "ycck.jpg", "progressive.jpg", "extraneous.jpg", "rgb.png", "grey.png",
        "palette.png", "rgba.png", "deep.png", "deep-colours.png", "deep-alpha.png", "deep-grey.png", "gamma.png",
        "gamma-linear.png", "gamma-dark.png", "sampled-410.jpg", "sampled-441.jpg", "sampled-mixed.jpg",
        "sampled-half-mixed.jpg", "sampled-low-luma.jpg", "sampled-all-wide.jpg", "sampled-cmyk.jpg",
        "sampled-ycck.jpg",
    ])
    func decodesToPillowPixels(name: String) throws {
        let image = try ImageDecoder.decode(fixture(name))
        #expect(image.width == 24)
        #expect(image.height == 20)
        #expect(image.pixels == (try fixture(name + ".rgb")))
    }

    @Test(arguments: [
        ("truncated.jpg", "end early"), ("truncated.png", "data"), ("vast.png", "too large"),
        ("rgb.jpg.rgb", "not an image of a known kind"),
    ])
    func rejectsIncompleteImages(name: String, reason: String) throws {
        let bytes = try fixture(name)
        let failure = #expect(throws: Failure.self) { try ImageDecoder.decode(bytes) }
        #expect(try #require(failure).problem.contains(reason), "\(failure?.problem ?? "")")
    }

    @Test func rejectsEmptyInput() throws {
        let failure = #expect(throws: Failure.self) { try ImageDecoder.decode([]) }
        #expect(failure?.problem == "the file is empty")
    }

    @Test func rejectsEveryPrefixOfAJPEG() throws {
        let whole = try fixture("rgb.jpg")
        for count in 0..<whole.count - 2 {
            let rejection = Result { try ImageDecoder.decode(Array(whole[..<count])) }
            if case .success = rejection { Issue.record("accepted \(count) of \(whole.count) bytes") }
        }
        #expect(try ImageDecoder.decode(whole).width == 24)
    }

    @Test func rejectsTruncationAfterAnotherWarning() throws {
        // Garbage before a marker causes the first warning, and only the first warning is reported.
        let whole = try fixture("rgb.jpg")
        let table = try #require((2..<whole.count).first { whole[$0] == 0xFF && whole[$0 + 1] == 0xDB })
        let noisy = whole[..<table] + [0x12, 0x34] + whole[table...]
        #expect(try ImageDecoder.decode(Array(noisy)).pixels == fixture("rgb.jpg.rgb"))
        #expect(throws: Failure.self) { try ImageDecoder.decode(Array(noisy.dropLast(200))) }
    }

    /// Phones pad an image in front of its end marker, about which the library warns, and put a film or another image behind it. The bytes
    /// of those are like markers by chance.
    @Test func whatFollowsAnImageIsNoPartOfIt() throws {
        let (whole, other) = (try fixture("rgb.jpg"), try fixture("grey.jpg"))
        let padded = whole.dropLast(2) + [UInt8](repeating: 0, count: 40) + whole.suffix(2)
        let film: [UInt8] = Array("\0\0\0\u{18}ftypmp42".utf8) + [0xFF, 0xDA, 1, 2, 3, 0xFF, 0xD8, 4, 5]
        for rest in [film, other, Array(other.dropLast(40)), [UInt8](repeating: 0, count: 1000)] {
            for image in [whole, Array(padded)] {
                #expect(try ImageDecoder.decode(image + rest).pixels == fixture("rgb.jpg.rgb"))
            }
            #expect(throws: Failure.self) { try ImageDecoder.decode(whole.prefix(whole.count / 2) + [0xFF]) }
        }
        // The same decoder takes the next image as if there had been none before it.
        var decoder = try JPEGDecoder()
        for bytes in [Array(padded) + film, Array(whole.prefix(300)), whole] {
            let size = bytes.withUnsafeBytes { bytes in try? decoder.decode(bytes) }
            #expect((size == nil) == (bytes.count == 300))
            guard size != nil else { continue }
            let pixels = Array(UnsafeBufferPointer(start: decoder.pixels, count: 24 * 20 * 3))
            #expect(pixels == (try fixture("rgb.jpg.rgb")))
        }
    }

    @Test func rejectsAJPEGOverTheSizeLimit() throws {
        var bytes = try fixture("rgb.jpg")
        let frame = try #require((2..<bytes.count).first { bytes[$0] == 0xFF && bytes[$0 + 1] == 0xC0 })
        for offset in 5..<9 { bytes[frame + offset] = 0xFE }
        let failure = #expect(throws: Failure.self) { try ImageDecoder.decode(bytes) }
        #expect(try #require(failure).problem.contains("too large"))
    }

    @Test func rejectsAJPEGWithTooFewBytes() throws {
        var bytes = try fixture("rgb.jpg")
        let frame = try #require((2..<bytes.count).first { bytes[$0] == 0xFF && bytes[$0 + 1] == 0xC0 })
        bytes.replaceSubrange(frame + 5..<frame + 9, with: [0x20, 0, 0x20, 0])
        let failure = #expect(throws: Failure.self) { try ImageDecoder.decode(bytes) }
        #expect(try #require(failure).problem.contains("\(bytes.count) bytes cannot hold an image of 8192 x 8192"))
    }

    /// Each scan costs a pass over the image, no matter how few bytes it has.
    @Test func rejectsAJPEGOfManyScans() throws {
        let bytes = try fixture("progressive.jpg")
        let last = try #require(bytes.indices.dropLast().last { bytes[$0] == 0xFF && bytes[$0 + 1] == 0xDA })
        let scan = bytes[last..<bytes.count - 2]
        let few = bytes[..<last] + Array(repeating: scan, count: 3).joined() + [0xFF, 0xD9]
        #expect(try ImageDecoder.decode(Array(few)).width == 24)
        let many = bytes[..<last] + Array(repeating: scan, count: 1000).joined() + [0xFF, 0xD9]
        let failure = #expect(throws: Failure.self) { try ImageDecoder.decode(Array(many)) }
        #expect(try #require(failure).problem.contains("scans"), "\(failure?.problem ?? "")")
    }

    @Test func damageGivesAnErrorOrAnImage() throws {
        for name in ["rgb.jpg", "progressive.jpg", "palette.png", "rgba.png"] {
            let whole = try fixture(name)
            for position in whole.indices {
                var bytes = whole
                bytes[position] ^= 0x55
                guard let image = try? ImageDecoder.decode(bytes) else { continue }
                #expect(image.pixels.count == image.width * image.height * 3)
            }
            #expect(try ImageDecoder.decode(whole).width == 24)
        }
    }

    @Test func pngSurvivesARoundTrip() throws {
        let image = try patternedImage(width: 37, height: 23)
        #expect(try ImageDecoder.decode(PNGEncoder.encode(image)) == image)
    }

    @Test(arguments: [(JPEGEncoder.Subsampling.none, 12), (.halved, 30)])
    func jpegRoundTripIsClose(subsampling: JPEGEncoder.Subsampling, tolerance: Int) throws {
        let image = try ImageDecoder.decode(fixture("picture.png"))
        let decoded = try ImageDecoder.decode(JPEGEncoder.encode(image, subsampling: subsampling))
        let differences = zip(decoded.pixels, image.pixels).map { abs(Int($0) - Int($1)) }
        #expect(decoded.width == image.width && decoded.height == image.height)
        #expect(differences.reduce(0, +) < tolerance * differences.count / 2)
    }

    @Test func imageRequiresThePixelsOfItsSize() {
        #expect(throws: Failure.self) { try Image(width: 2, height: 2, pixels: [0, 0, 0]) }
        #expect(throws: Failure.self) { try Image(width: 0, height: 2, pixels: []) }
        #expect(throws: Failure.self) { try Image(width: .max, height: 2, pixels: []) }
    }
}
