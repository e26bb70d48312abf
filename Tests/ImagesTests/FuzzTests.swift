import Base
import Foundation
import Images
import TestSupport
import Testing

/// 1,000 seeded mutations of JPEG and PNG files: each gives an error or an image, with bounded memory and time.
@Suite struct FuzzTests {
    @Test func mutatedImagesAreHarmless() async throws {
        let result = await #expect(
            processExitsWith: .success, observing: [\.standardOutputContent, \.standardErrorContent]
        ) {
            try ImageFuzz.run(mutations: 1000)
        }
        #expect(
            result?.standardErrorContent.isEmpty == true,
            "\(String(decoding: result?.standardErrorContent ?? [], as: UTF8.self))")
        let text = String(decoding: result?.standardOutputContent ?? [], as: UTF8.self)
        #expect(text.contains("of 1000 mutated images"))
        print(text, terminator: "")
    }
}

/// Runs in the child process.
enum ImageFuzz {
    static let files = [
        "rgb.jpg", "grey.jpg", "cmyk.jpg", "ycck.jpg", "progressive.jpg", "rgb.png", "palette.png", "rgba.png",
        "deep.png",
        "picture.png",
    ]

    static func run(mutations: Int) throws {
        try limitProcess(memory: 1 << 30, seconds: 120)
        let whole = try files.map { try fixture($0) }
        let expected = try whole.map { try ImageDecoder.decode($0) }
        var (errors, same, other) = (0, 0, 0)
        var decoder = try JPEGDecoder()
        for number in 0..<mutations {
            let kept = number % files.count
            var generator = KeyedGenerator(seed: 2, .drawing, number)

            let bytes = mutated(whole, kept, using: &generator)
            do {
                let image = try ImageDecoder.decode(bytes)
                guard image.pixels.count == 3 * image.width * image.height else { exit(2) }
                if image == expected[kept] { same += 1 } else { other += 1 }
            } catch let failure as Failure {
                guard !failure.problem.isEmpty else { exit(3) }
                errors += 1
            }
            // The loader's decoder is reused: after any input, it must decode the next image.
            guard files[kept].hasSuffix("jpg") else { continue }
            _ = try? bytes.withUnsafeBytes { _ = try decoder.decode($0) }
            try whole[kept].withUnsafeBytes { _ = try decoder.decode($0) }
            guard expected[kept].pixels.withUnsafeBytes({ memcmp($0.baseAddress!, decoder.pixels, $0.count) }) == 0
            else {
                exit(4)
            }
        }
        print("of \(mutations) mutated images \(errors) were rejected, \(same) unchanged, \(other) other images")
    }

    static func mutated(_ whole: [[UInt8]], _ kept: Int, using generator: inout KeyedGenerator) -> [UInt8] {
        var bytes = whole[kept]
        switch generator.index(below: 6) {
        case 0: bytes.removeLast(1 + generator.index(below: bytes.count))
        case 1:
            // A part of another file.
            let other = whole[generator.index(below: whole.count)]
            let length = 1 + generator.index(below: min(64, min(other.count, bytes.count)))
            let (from, to) = (
                generator.index(below: other.count - length), generator.index(below: bytes.count - length)
            )
            bytes.replaceSubrange(to..<to + length, with: other[from..<from + length])
        case 2:
            // An implausible size: in the frame header, or in IHDR with a valid checksum.
            claim(UInt16(truncatingIfNeeded: generator.next()) | 0x3000, in: &bytes)
        case 3:
            let place = generator.index(below: bytes.count)
            bytes.insert(
                contentsOf: (0..<1 + generator.index(below: 32)).map { _ in UInt8(truncatingIfNeeded: generator.next())
                }, at: place)
        case 4:
            bytes.removeSubrange(generator.index(below: bytes.count / 2)..<bytes.count / 2 + generator.index(below: 8))
        default:
            for _ in 0...generator.index(below: 16) {
                bytes[generator.index(below: bytes.count)] ^= 1 << UInt8(generator.index(below: 8))
            }
        }
        return bytes
    }

    private static func claim(_ side: UInt16, in bytes: inout [UInt8]) {
        let sides = [UInt8(side >> 8), UInt8(side & 0xFF)]
        if bytes[0] == 0xFF {
            guard
                let frame = (2..<bytes.count - 9).first(where: {
                    bytes[$0] == 0xFF && [0xC0, 0xC2].contains(bytes[$0 + 1])
                })
            else { return }
            bytes.replaceSubrange(frame + 5..<frame + 9, with: sides + sides)
        } else {
            bytes.replaceSubrange(16..<24, with: [0, 0] + sides + [0, 0] + sides)
            let checksum = bytes[12..<29].withUnsafeBytes { Checksum(of: $0).value }
            bytes.replaceSubrange(29..<33, with: (0..<4).map { UInt8(truncatingIfNeeded: checksum >> (24 - 8 * $0)) })
        }
    }
}
