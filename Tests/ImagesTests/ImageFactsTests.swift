import Base
import Foundation
import Images
import TestSupport
import Testing

/// What headers say, compared with what decoding gives.
@Suite(.enabled(if: ImageKind.missing.isEmpty, "built without an image library; run: Launch/setup"))
struct ImageFactsTests {
    private static let jpegAndPNG: [(name: String, mode: String)] = [
        ("rgb.jpg", "RGB"), ("grey.jpg", "grey"), ("cmyk.jpg", "CMYK"), ("ycck.jpg", "CMYK"),
        ("progressive.jpg", "RGB"),
        ("rgb.png", "RGB"), ("rgba.png", "RGB with alpha"), ("grey.png", "grey"), ("palette.png", "palette"),
    ]

    private func problem(_ bytes: [UInt8]) -> ImageFacts.Problem? {
        #expect(throws: ImageFacts.Problem.self) { _ = try ImageFacts(of: HeaderBytes(bytes)) }
    }

    @Test func sizesAreThoseOfDecodedImages() throws {
        let files =
            try Self.jpegAndPNG.map { ($0.name, try fixture($0.name)) } + formatFiles().map { ($0.name, $0.bytes) }
        #expect(files.count == 35)
        for (name, bytes) in files {
            let facts = try ImageFacts(of: HeaderBytes(bytes))
            let image = try ImageDecoder.decode(bytes)
            #expect(facts.width == image.width && facts.height == image.height, "\(name)")
            #expect(throws: Never.self, "\(name)") {
                try facts.requireSize(byteCount: bytes.count, pixelLimit: image.width * image.height)
            }
            let tooLarge = #expect(throws: ImageFacts.Problem.self) {
                try facts.requireSize(byteCount: bytes.count, pixelLimit: image.width * image.height - 1)
            }
            #expect(tooLarge == .tooManyPixels)
        }
    }

    @Test func modesAreThoseOfTheFiles() throws {
        for (name, mode) in Self.jpegAndPNG {
            #expect(try ImageFacts(of: HeaderBytes(fixture(name))).mode == mode, "\(name)")
        }
        #expect(try ImageFacts(of: HeaderBytes(fixture("deep.png"))).bits == 16)
        let expected = [
            "lossless-alpha.webp": "RGB with alpha", "lossy.webp": "RGB", "interlaced.gif": "palette",
            "palette.bmp": "palette", "bit-fields.bmp": "RGB", "text.pgm": "grey", "text.pbm": "grey, 1 bit",
            "binary.ppm": "RGB", "deep-4.pam": "RGB with alpha, 16 bits", "cmyk-jpeg.tif": "CMYK",
            "palette-packbits.tif": "palette", "bitmap-group4.tif": "grey, 1 bit", "rgb-tiff_lzw.tif": "RGB",
        ]
        let files = try formatFiles().filter { expected[$0.name] != nil }
        #expect(files.count == expected.count)
        for (name, bytes) in files {
            #expect(try ImageFacts(of: HeaderBytes(bytes)).mode == expected[name], "\(name)")
        }
    }

    /// A profile and a preview in front of the frame are stepped over: of half a megabyte some kilobytes are read.
    @Test func farFramesOfJPEGAreFound() throws {
        let plain = try fixture("rgb.jpg")
        let expected = try ImageFacts(of: HeaderBytes(plain))
        var far = Array(plain.prefix(2))
        for _ in 0..<8 { far += [0xFF, 0xE2, 0xFF, 0xFE] + [UInt8](repeating: 0xFF, count: 65_532) }
        far += plain.dropFirst(2)
        var read = 0
        let file = HeaderBytes(byteCount: far.count, first: []) { offset, count in
            read += count
            return Array(far[offset..<offset + count])
        }
        #expect(try ImageFacts(of: file) == expected)
        #expect(read <= 12 * HeaderBytes.pieceSize, "\(read) bytes")
        // Garbage that never ends is given up.
        let start = Array(plain.prefix(2)) + [UInt8](repeating: 0xFF, count: 30)
        let garbage = HeaderBytes(byteCount: 1 << 40, first: start) { _, count in [UInt8](repeating: 0xFF, count: count)
        }
        #expect(#expect(throws: ImageFacts.Problem.self) { _ = try ImageFacts(of: garbage) } == .damaged)
    }

    @Test func problemsHaveAName() throws {
        let (jpeg, png) = (try fixture("rgb.jpg"), try fixture("rgb.png"))
        #expect(problem([]) == .empty)
        #expect(problem(Array("text".utf8)) == .unknownKind)
        #expect(problem(Array(jpeg.prefix(100))) == .endsEarly)
        #expect(problem(Array(png.prefix(20))) == .endsEarly)
        #expect(problem(Array(png.prefix(25)) + [99] + png.dropFirst(26)) == .damaged)
        // The marker of a lossless frame.
        let frame = try #require(jpeg.indices.first { jpeg[$0] == 0xFF && jpeg[$0 + 1] == 0xC0 })
        var lossless = jpeg
        lossless[frame + 1] = 0xC3
        #expect(problem(lossless) == .unsupported)
        // 32,768 x 32,768 pixels in a few kilobytes.
        var vast = jpeg
        vast.replaceSubrange(frame + 5..<frame + 9, with: [0x40, 0, 0x40, 0])
        let facts = try ImageFacts(of: HeaderBytes(vast))
        let tooShort = #expect(throws: ImageFacts.Problem.self) {
            try facts.requireSize(byteCount: vast.count, pixelLimit: .max)
        }
        #expect(tooShort == .tooShort)
    }

    /// 1,000 mutated beginnings of files of each kind: facts, or one of the problems; no trap, and no reading without end.
    @Test func mutatedBeginningsAreHarmless() throws {
        let files =
            try (ImageFuzz.files + ["grey.png"]).map { ($0, try fixture($0)) }
            + formatFiles().map { ($0.name, $0.bytes) }
        let kinds = try Dictionary(grouping: files) { try ImageFacts(of: HeaderBytes($0.1)).kind }
        #expect(kinds.count == ImageKind.allCases.count)
        for (kind, files) in kinds {
            let whole = files.map(\.1)
            var (facts, problems) = (0, 0)
            for number in fuzzIterations(1000) {
                var generator = KeyedGenerator(seed: 31, .drawing, number)
                var bytes = ImageFuzz.mutated(whole, number % whole.count, using: &generator)
                // Half of them where headers are.
                for _ in 0..<generator.index(below: 4) where !bytes.isEmpty {
                    bytes[generator.index(below: min(bytes.count, 64))] = UInt8(truncatingIfNeeded: generator.next())
                }
                let claimed = number % 3 == 0 ? 1 << 40 : bytes.count
                let file = HeaderBytes(byteCount: claimed, first: Array(bytes.prefix(512))) { offset, count in
                    // A file may be shorter than it was.
                    Array(bytes.dropFirst(offset).prefix(count))
                }
                do {
                    let found = try ImageFacts(of: file)
                    try found.requireSize(byteCount: claimed, pixelLimit: ImageDecoder.pixelLimit)
                    guard found.width > 0, found.height > 0, !found.mode.isEmpty else {
                        Issue.record("\(kind) \(number): \(found)")
                        return
                    }
                    facts += 1
                } catch is ImageFacts.Problem {
                    problems += 1
                }
            }
            #expect(facts > 0 && problems > 0, "\(kind)")
        }
    }
}
