import Base
import Foundation
import Images
import TestSupport
import Testing

/// 1,000 seeded mutations of files of each kind beside JPEG and PNG; with CRATE_FUZZ_SECONDS for that long for each kind.
@Suite(.serialized, .enabled(if: ImageKind.missing.isEmpty, "built without an image library; run: Launch/setup"))
struct FormatFuzzTests {
    @Test func mutatedWebPsAreHarmless() async {
        report(
            await #expect(processExitsWith: .success, observing: [\.standardOutputContent, \.standardErrorContent]) {
                try FormatFuzz.run(["webp"], seed: 5)
            })
    }

    @Test func mutatedGIFsAreHarmless() async {
        report(
            await #expect(processExitsWith: .success, observing: [\.standardOutputContent, \.standardErrorContent]) {
                try FormatFuzz.run(["gif"], seed: 6)
            })
    }

    @Test func mutatedTIFFsAreHarmless() async {
        report(
            await #expect(processExitsWith: .success, observing: [\.standardOutputContent, \.standardErrorContent]) {
                try FormatFuzz.run(["tif"], seed: 7)
            })
    }

    @Test func mutatedBMPsAreHarmless() async {
        report(
            await #expect(processExitsWith: .success, observing: [\.standardOutputContent, \.standardErrorContent]) {
                try FormatFuzz.run(["bmp"], seed: 8)
            })
    }

    @Test func mutatedPNMsAreHarmless() async {
        report(
            await #expect(processExitsWith: .success, observing: [\.standardOutputContent, \.standardErrorContent]) {
                try FormatFuzz.run(["ppm", "pgm", "pbm", "pam"], seed: 9)
            })
    }

    private func report(_ result: ExitTest.Result?) {
        let errors = String(decoding: result?.standardErrorContent ?? [], as: UTF8.self)
        #expect(errors.isEmpty, "\(errors)")
        let text = String(decoding: result?.standardOutputContent ?? [], as: UTF8.self)
        #expect(text.contains("were rejected"))
        print(text, terminator: "")
    }
}

/// Runs in the child process.
enum FormatFuzz {
    static func run(_ suffixes: [String], seed: UInt64) throws {
        // Images of up to 4 megapixels, in what they say that they need and some more.
        let (pixelLimit, memory) = (4 << 20, 512 << 20)
        try limitFuzzing(memory: memory)
        let whole = try formatFiles().filter { file in suffixes.contains { file.name.hasSuffix($0) } }.map(\.bytes)
        guard !whole.isEmpty else { exit(5) }
        let expected = try whole.map { try ImageDecoder.decode($0) }
        var (count, errors, same, other) = (0, 0, 0, 0)
        for number in fuzzIterations(1000) {
            let kept = number % whole.count
            var generator = KeyedGenerator(seed: seed, .drawing, number)
            let bytes = mutated(whole, kept, using: &generator)
            count += 1
            do {
                let image = try ImageDecoder.decode(bytes, pixelLimit: pixelLimit)
                guard image.pixels.count == 3 * image.width * image.height else { exit(2) }
                if image == expected[kept] { same += 1 } else { other += 1 }
            } catch let failure as Failure {
                guard !failure.problem.isEmpty, failure.problem.utf8.count < 250 else { exit(3) }
                errors += 1
            }
        }
        print(
            "of \(count) mutated files (\(suffixes[0])) \(errors) were rejected, \(same) unchanged, \(other) other images"
        )
    }

    static func mutated(
        _ whole: [[UInt8]], _ kept: Int, using generator: inout KeyedGenerator
    ) -> [UInt8] {
        guard generator.index(below: 3) == 0 else { return ImageFuzz.mutated(whole, kept, using: &generator) }
        // A number of a header, or of the tags at the end of a TIFF, becomes one that tests limits.
        var bytes = whole[kept]
        let numbers: [UInt32] = [0, 1, 2, 0x7F, 0xFF, 0x7FFF, 0xFFFF, 0x7FFF_FFFF, 0x8000_0000, 0xFFFF_FFFF]
        for _ in 0...generator.index(below: 3) {
            let size = 1 << generator.index(below: 3)
            let near = generator.index(below: min(300, bytes.count - size))
            let place = generator.index(below: 2) == 0 ? near : bytes.count - size - near
            let number = numbers[generator.index(below: numbers.count)]
            for byte in 0..<size { bytes[place + byte] = UInt8(truncatingIfNeeded: number >> UInt32(8 * byte)) }
        }
        return bytes
    }
}
