import Base
import Foundation
import Images
import TestSupport
import Testing

private let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().path + "/../.."

/// Runs a script of Python with `arguments`, or returns nil if the modules that it imports are missing.
private func python(_ script: String, _ arguments: [String]) throws -> Int32 {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "\(root)/.venv/bin/python")
    process.arguments = ["-c", script] + arguments
    try process.run()
    process.waitUntilExit()
    return process.terminationStatus
}

private let hasReaders = (try? python("import numpy, PIL, tifffile", [])) == 0

/// Files of one and of many channels, read by programs that others wrote.
@Suite struct EncodingTests {
    /// The value at index i, a multiple of an odd number so that both bytes vary.
    private func image(width: Int, height: Int, channels: Int, depth: Int) throws -> Image {
        let format = try PixelFormat(channels: channels, depth: depth)
        var bytes: [UInt8] = []
        for index in 0..<width * height * channels {
            let value = index * 40_503 + 7
            bytes.append(UInt8(truncatingIfNeeded: value))
            if depth == 16 { bytes.append(UInt8(truncatingIfNeeded: value >> 8)) }
        }
        return try Image(width: width, height: height, pixels: bytes, format: format)
    }

    private let script = """
        import sys, numpy, PIL.Image, tifffile
        path, width, height, channels, depth = sys.argv[1], *map(int, sys.argv[2:])
        kind = numpy.uint8 if depth == 8 else numpy.uint16
        expected = (numpy.arange(width * height * channels) * 40503 + 7).astype(kind).reshape(height, width, channels)
        found = tifffile.imread(path) if path.endswith('tif') else numpy.array(PIL.Image.open(path))
        found = found.reshape(height, width, -1) if found.size == expected.size else found
        assert found.dtype == kind or path.endswith('png') and found.dtype == numpy.int32, found.dtype
        assert numpy.array_equal(found, expected), (found.shape, expected.shape)
        if path.endswith('tif') and (channels == 1 or (channels, depth) == (3, 8)):
            assert numpy.array_equal(numpy.array(PIL.Image.open(path)).reshape(expected.shape), expected)
        """

    @Test(
        .enabled(if: hasReaders, "needs numpy, pillow and tifffile in .venv; run: Launch/setup --tests"),
        arguments: [(1, 8), (1, 16), (2, 8), (3, 8), (3, 16), (4, 16), (7, 8), (13, 16)])
    func filesHoldTheValues(channels: Int, depth: Int) throws {
        try withTemporaryDirectory { path in
            for (width, height) in [(5, 3), (64, 48), (1, 1)] {
                let image = try image(width: width, height: height, channels: channels, depth: depth)
                var files = [("tif", try TIFFEncoder.encode(image))]
                if channels == 1 { files.append(("png", try GreyPNGEncoder.encode(image))) }
                for (kind, bytes) in files {
                    let file = "\(path)/\(width).\(kind)"
                    try Data(bytes).write(to: URL(fileURLWithPath: file))
                    #expect(try python(script, [file] + [width, height, channels, depth].map(String.init)) == 0)
                }
            }
        }
    }

    @Test(arguments: [(1, 8), (1, 16), (3, 8), (4, 16), (7, 8), (13, 16)])
    func areDecodedAsTheyWereWritten(channels: Int, depth: Int) throws {
        let image = try image(width: 9, height: 7, channels: channels, depth: depth)
        if ImageKind.tiff.installedVersion != nil {
            #expect(try ImageDecoder.decode(TIFFEncoder.encode(image), as: image.format) == image)
        }
        guard channels == 1 else { return }
        #expect(try ImageDecoder.decode(GreyPNGEncoder.encode(image), as: image.format) == image)
    }

    @Test func refusesColoursInAGreyFile() throws {
        let image = try image(width: 2, height: 2, channels: 3, depth: 8)
        #expect(throws: Failure.self) { try GreyPNGEncoder.encode(image) }
    }
}
