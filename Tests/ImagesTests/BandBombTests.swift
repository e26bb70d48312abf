import Base
import Foundation
import Images
import TestSupport
import Testing

/// Small files that claim many channels, and mutated files of several channels and of 16 bits.
@Suite(.serialized, .enabled(if: ImageKind.missing.isEmpty, "built without an image library; run: Launch/setup"))
struct BandBombTests {
    @Test func claimsOfManyChannelsAreRefused() async {
        await #expect(processExitsWith: .success) {
            try limitProcess(memory: 512 << 20, seconds: 60)
            for (name, channels, bytes) in BandBombs.all {
                do {
                    _ = try ImageDecoder.decode(bytes, as: PixelFormat(channels: channels, depth: 16))
                    exit(2)
                } catch let failure as Failure {
                    let reasons = [
                        "cannot hold", "too large", "ends early", "circle", "takes more than", "are asked for",
                        "claim more data",
                    ]
                    guard reasons.contains(where: { failure.problem.contains($0) }) else {
                        print(name, failure.problem)
                        exit(3)
                    }
                }
            }
        }
    }

    /// 600 MB, or more if --max-pixels is more.
    @Test func moreBytesThanRGBOfTheLimitAreRefused() throws {
        let format = try PixelFormat(channels: 200, depth: 16)
        #expect(throws: Never.self) { try format.requireSize(width: 1000, height: 1500, pixelLimit: 1_500_000) }
        let failure = #expect(throws: Failure.self) {
            try format.requireSize(width: 1000, height: 1501, pixelLimit: 200_000_000)
        }
        #expect(
            failure?.problem.contains("1000 x 1501 pixels with 200 channels of 16 bits takes more than 600 MB") == true)
        #expect(throws: Never.self) { try format.requireSize(width: 1000, height: 1501, pixelLimit: 201_000_000) }
        #expect(throws: Never.self) {
            try PixelFormat.rgb.requireSize(width: 1 << 14, height: 1 << 14, pixelLimit: 1 << 28)
        }
    }

    @Test func mutatedBandsAreHarmless() async {
        for kind in ["tif", "png", "pam"] {
            let result: ExitTest.Result?
            switch kind {
            case "tif":
                result = await #expect(
                    processExitsWith: .success, observing: [\.standardOutputContent, \.standardErrorContent]
                ) { try BandFuzz.run("tif", seed: 21) }
            case "png":
                result = await #expect(
                    processExitsWith: .success, observing: [\.standardOutputContent, \.standardErrorContent]
                ) { try BandFuzz.run("png", seed: 22) }
            default:
                result = await #expect(
                    processExitsWith: .success, observing: [\.standardOutputContent, \.standardErrorContent]
                ) { try BandFuzz.run("pam", seed: 23) }
            }
            let errors = String(decoding: result?.standardErrorContent ?? [], as: UTF8.self)
            #expect(errors.isEmpty, "\(errors)")
            let text = String(decoding: result?.standardOutputContent ?? [], as: UTF8.self)
            #expect(text.contains("were rejected"), "\(kind)")
            print(text, terminator: "")
        }
    }
}

enum BandBombs {
    private static func shorts(_ values: UInt16...) -> [UInt8] {
        values.flatMap { value in withUnsafeBytes(of: value.littleEndian) { Array($0) } }
    }

    private static func words(_ values: UInt32...) -> [UInt8] {
        values.flatMap { value in withUnsafeBytes(of: value.littleEndian) { Array($0) } }
    }

    /// The directory at `place` of an image of a strip of `count` bytes at the place 8, with the samples of a pixel and the next directory.
    private static func directory(
        side: UInt32, samples: UInt16, compression: UInt16, count: UInt32, next: UInt32
    ) -> [UInt8] {
        let tags: [(UInt16, UInt16, [UInt8])] = [
            (256, 4, words(side)), (257, 4, words(side)), (258, 3, shorts(16, 0)),
            (259, 3, shorts(compression, 0)), (262, 3, shorts(1, 0)), (273, 4, words(8)),
            (277, 3, shorts(samples, 0)), (278, 4, words(side)), (279, 4, words(count)),
        ]
        return shorts(UInt16(tags.count)) + tags.flatMap { shorts($0.0, $0.1) + words(1) + $0.2 } + words(next)
    }

    static var all: [(String, Int, [UInt8])] {
        let start = Array("II*\0".utf8) + words(8 + 4000)
        let strip = [UInt8](repeating: 7, count: 4000)
        let many = directory(side: 1000, samples: 256, compression: 8, count: 4000, next: 0)
        let huge = directory(side: 14_000, samples: 5, compression: 5, count: 4000, next: 0)
        let circle = directory(side: 40, samples: 1, compression: 1, count: 3200, next: 8 + 4000)
        // A thousand pages, each of which is there.
        let size = UInt32(circle.count)
        let pages = (0..<1000).flatMap { number in
            directory(
                side: 40, samples: 1, compression: 1, count: 3200,
                next: number == 999 ? 0 : 4008 + size * UInt32(number + 1))
        }
        let pam = Array("P7\nWIDTH 10000\nHEIGHT 10000\nDEPTH 256\nMAXVAL 65535\nENDHDR\n".utf8) + strip
        return [
            ("channels", 256, start + strip + many), ("pixels", 5, start + strip + huge),
            ("circle", 4, start + strip + circle), ("pages", 4, start + strip + pages), ("PAM", 256, pam),
        ]
    }
}

/// Runs in the child process.
enum BandFuzz {
    static func run(_ suffix: String, seed: UInt64) throws {
        let (pixelLimit, memory) = (1 << 20, 768 << 20)
        try limitFuzzing(memory: memory)
        let files = try FileManager.default.contentsOfDirectory(atPath: bands().path).sorted()
        let whole: [(bytes: [UInt8], formats: [PixelFormat])] = try files.filter { $0.hasSuffix(suffix) }.map { file in
            let formats = try files.filter { $0.hasPrefix(file) && $0.hasSuffix("pixels") }.map { name in
                let kind =
                    name.split(separator: ".").dropLast().last?.split(separator: "x").compactMap { Int($0) } ?? []
                return try PixelFormat(channels: kind[0], depth: kind[1])
            }
            return ([UInt8](try Data(contentsOf: bands().appendingPathComponent(file))), formats)
        }
        guard !whole.isEmpty else { exit(5) }
        var (count, errors, images) = (0, 0, 0)
        for number in fuzzIterations(1000) {
            let (kept, round) = (number % whole.count, number / whole.count)
            var generator = KeyedGenerator(seed: seed, .drawing, number)
            var bytes = FormatFuzz.mutated(whole.map(\.bytes), kept, using: &generator)
            // Otherwise the checksums refuse nearly all.
            if suffix == "png" && number % 5 != 0 { repairChecksums(of: &bytes) }
            let format = whole[kept].formats[round % whole[kept].formats.count]
            count += 1
            do {
                let image = try ImageDecoder.decode(bytes, as: format, pixelLimit: pixelLimit)
                guard image.pixels.count == format.bytesPerPixel * image.width * image.height else { exit(2) }
                images += 1
            } catch let failure as Failure {
                guard !failure.problem.isEmpty, failure.problem.utf8.count < 250 else { exit(3) }
                errors += 1
            }
        }
        print("of \(count) mutated files of several channels (\(suffix)) \(errors) were rejected, \(images) were read")
    }

    /// Gives the chunks of a PNG, as far as their lengths are sound, the checksums that they should have.
    private static func repairChecksums(of bytes: inout [UInt8]) {
        var place = 8
        while place + 12 <= bytes.count {
            let length = bytes[place..<place + 4].reduce(0) { $0 << 8 | Int($1) }
            let end = place + 8 + length
            guard end + 4 <= bytes.count else { return }
            let checksum = bytes[place + 4..<end].withUnsafeBytes { Checksum(of: $0).value }
            for byte in 0..<4 { bytes[end + byte] = UInt8(truncatingIfNeeded: checksum >> UInt32(24 - 8 * byte)) }
            place = end + 4
        }
    }
}
