import Base
import Foundation
import Images
import TestSupport
import Testing

/// Small files that claim much: each is refused in little memory.
@Suite(.enabled(if: ImageKind.missing.isEmpty, "built without an image library; run: Launch/setup"))
struct BombTests {
    @Test func claimsBeyondTheLimitAreRefused() async {
        await #expect(processExitsWith: .success) {
            try limitProcess(memory: 512 << 20, seconds: 60)
            for (name, bytes) in Bombs.tooLarge {
                do {
                    _ = try ImageDecoder.decode(bytes)
                    exit(2)
                } catch let failure as Failure {
                    guard failure.problem.contains("too large") else {
                        print(name, failure.problem)
                        exit(3)
                    }
                }
            }
        }
    }

    /// libtiff would copy the data of each.
    @Test func tagsThatShareTheirDataAreRefused() {
        let failure = #expect(throws: Failure.self) { try ImageDecoder.decode(Bombs.sharedTags) }
        #expect(failure?.problem.contains("claim more data than the file has") == true)
    }

    @Test func unknownKindsAreNamed() throws {
        let bitmap = Bombs.bitmap(width: 4, height: 4, bits: 8, compression: 4)
        let failure = #expect(throws: Failure.self) { try ImageDecoder.decode(bitmap) }
        #expect(failure?.problem == "a BMP image of an unknown kind (8 bits, compression 4)")
    }
}

enum Bombs {
    private static func words(_ values: UInt32...) -> [UInt8] {
        values.flatMap { value in withUnsafeBytes(of: value.littleEndian) { Array($0) } }
    }

    private static func shorts(_ values: UInt16...) -> [UInt8] {
        values.flatMap { value in withUnsafeBytes(of: value.littleEndian) { Array($0) } }
    }

    static func bitmap(width: UInt32, height: UInt32, bits: UInt16, compression: UInt32) -> [UInt8] {
        Array("BM".utf8) + words(100, 0, 54, 40, width, height) + shorts(1, bits) + words(compression, 0, 0, 0, 0, 0)
            + [UInt8](repeating: 0, count: 2000)
    }

    private static func tiff(_ tags: [[UInt8]]) -> [UInt8] {
        Array("II*\0".utf8) + words(8) + shorts(UInt16(tags.count)) + tags.joined() + words(0)
            + [UInt8](repeating: 0, count: 4000)
    }

    static var tooLarge: [(String, [UInt8])] {
        let gif =
            Array("GIF89a".utf8) + shorts(60_000, 60_000) + [0, 0, 0, 0x2C] + shorts(0, 0, 9, 9) + [0, 2, 1, 0, 0]
        // 14 bits each of width - 1 and height - 1.
        let webP = Array("RIFF".utf8) + words(40) + Array("WEBPVP8L".utf8) + words(28) + [0x2F] + words(0x0FFF_FFFF)
        // Width, height, and a strip.
        let tags = [256: 100_000, 257: 100_000, 273: 100, 279: 100].sorted { $0.key < $1.key }
            .map { shorts(UInt16($0.key), 4) + words(1, UInt32($0.value)) }
        return [
            ("GIF", gif), ("WebP", webP + [UInt8](repeating: 0, count: 40)),
            ("BMP", bitmap(width: 100_000, height: 100_000, bits: 8, compression: 1)),
            ("PNM", Array("P6 100000 100000 255\n".utf8) + [0, 0, 0]),
            ("TIFF", tiff(tags)),
        ]
    }

    static var sharedTags: [UInt8] { tiff((0..<900).map { shorts(UInt16(40_000 + $0), 1) + words(4000, 12) }) }
}
