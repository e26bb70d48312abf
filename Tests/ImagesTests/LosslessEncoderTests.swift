import Base
import Foundation
import Images
import TestSupport
import Testing

/// Images of every format that is written, read by Pillow and tifffile.
@Suite struct LosslessEncoderTests {
    /// Random values of `format`.
    private func image(_ format: PixelFormat) throws -> Image {
        var generator = KeyedGenerator(seed: 3, .drawing, format.channels, format.depth)
        let pixels = (0..<7 * 5 * format.bytesPerPixel).map { _ in UInt8(truncatingIfNeeded: generator.next()) }
        return try Image(width: 7, height: 5, pixels: pixels, format: format)
    }

    @Test func colouredAndGreyImagesAreDecodedAgain() throws {
        let rgb = try image(.rgb)
        #expect(try ImageDecoder.decode(LosslessEncoder.encode(rgb)) == rgb)
        let grey = try image(PixelFormat(channels: 1, depth: 8))
        let decoded = try ImageDecoder.decode(LosslessEncoder.encode(grey))
        try #require(decoded.pixels.count == 3 * 35)
        let isSame = (0..<35).allSatisfy { decoded.pixels[3 * $0] == grey.pixels[$0] }
        #expect(isSame)
    }

    @Test(.enabled(if: hasReferences, ".venv has no Pillow and tifffile; run: Launch/setup --tests"))
    func otherToolsReadTheSameValues() throws {
        try withTemporaryDirectory { directory in
            let script = """
                import sys, numpy, tifffile
                from PIL import Image
                file, raw, channels, depth = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
                values = numpy.fromfile(raw, f'<u{depth // 8}').reshape(5, 7, channels)
                if file.endswith('.tif'):
                    read = tifffile.imread(file).reshape(5, 7, channels)
                else:
                    read = numpy.array(Image.open(file)).reshape(5, 7, channels)
                    if depth == 16 and channels == 3:
                        # Pillow keeps the upper bytes of colours.
                        values = values >> 8
                assert read.dtype.itemsize >= values.dtype.itemsize or channels == 3, read.dtype
                assert (read == values).all()
                """
            var count = 0
            for channels in [1, 2, 3, 4, 5, 13] {
                for depth in [8, 16] {
                    let format = try PixelFormat(channels: channels, depth: depth)
                    let image = try image(format)
                    let suffix = LosslessEncoder.suffix(for: format)
                    #expect(suffix == ([1, 3].contains(channels) ? "png" : "tif"))
                    let (file, raw) = ("\(directory)/\(count).\(suffix)", "\(directory)/\(count).raw")
                    try Data(LosslessEncoder.encode(image)).write(to: URL(fileURLWithPath: file))
                    try Data(image.pixels).write(to: URL(fileURLWithPath: raw))
                    let process = Process()
                    process.executableURL = URL(fileURLWithPath: python)
                    process.arguments = ["-c", script, file, raw, "\(channels)", "\(depth)"]
                    try process.run()
                    process.waitUntilExit()
                    #expect(process.terminationStatus == 0, "\(format)")
                    let facts = try ImageFacts(of: HeaderBytes(LosslessEncoder.encode(image)))
                    #expect(facts.width == 7 && facts.height == 5 && facts.bits == depth)
                    count += 1
                }
            }
            #expect(count == 12)
        }
    }

    /// The colours of 16 bits, which Pillow cannot check.
    @Test func valuesOfPNGAreBigEndian() throws {
        let image = try Image(
            width: 1, height: 1, pixels: [0x34, 0x12, 0x78, 0x56, 0xBC, 0x9A],
            format: PixelFormat(channels: 3, depth: 16))
        let decoded = try ImageDecoder.decode(LosslessEncoder.encode(image))
        // To 8 bits: 0x1234 * 255 / 65,535 is 18.1, 0x5678 gives 86.1, 0x9ABC 154.1.
        #expect(decoded.pixels == [18, 86, 154])
    }
}
