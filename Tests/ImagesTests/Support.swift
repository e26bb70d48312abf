import Foundation
import Images
import TestSupport
import Testing

/// The bytes of a file in Fixtures.
func fixture(_ name: String) throws -> [UInt8] {
    let url = try #require(Bundle.module.url(forResource: "Fixtures/" + name, withExtension: nil))
    return try [UInt8](Data(contentsOf: url))
}

/// The directory of images of other kinds than JPEG and PNG, which make_formats.py writes.
func formats() -> URL {
    URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent("Fixtures/Formats")
}

/// The directory of images of several channels and of 16 bits, which make_bands.py writes.
func bands() -> URL {
    URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent("Fixtures/Bands")
}

/// The images of `formats()`, in the order of their names.
func formatFiles() throws -> [(name: String, bytes: [UInt8])] {
    try FileManager.default.contentsOfDirectory(at: formats(), includingPropertiesForKeys: nil)
        .filter { $0.pathExtension != "rgb" }
        .sorted { $0.path < $1.path }
        .map { ($0.lastPathComponent, [UInt8](try Data(contentsOf: $0))) }
}

/// The largest difference between two arrays of the same count.
func largestDifference(_ a: [UInt8], _ b: [UInt8]) throws -> Int {
    try #require(a.count == b.count)
    return zip(a, b).map { abs(Int($0) - Int($1)) }.max() ?? 0
}

/// The directory that contains `imagenet-sample`, if set in the environment.
let realData = ProcessInfo.processInfo.environment["CRATE_DATA"]

/// An image with gradients, edges and noise.
func patternedImage(width: Int, height: Int) throws -> Image {
    var pixels: [UInt8] = []
    var noise: UInt32 = 1
    for row in 0..<height {
        for column in 0..<width {
            noise = noise &* 1_664_525 &+ 1_013_904_223
            let isLight = (row / 7 + column / 5) % 2 == 0
            pixels += [UInt8(column * 255 / width), isLight ? 250 : 5, UInt8(noise >> 24)]
        }
    }
    return try Image(width: width, height: height, pixels: pixels)
}

/// Calls `body` with a directory of files that the script `name` in Fixtures has written, and what it expects of them.
func withReferences(_ name: String, _ body: (String) throws -> Void) throws {
    try withTemporaryDirectory { directory in
        let process = Process()
        process.executableURL = URL(fileURLWithPath: python)
        let script = formats().deletingLastPathComponent().appendingPathComponent(name)
        process.arguments = ["-W", "ignore", script.path, directory]
        try process.run()
        process.waitUntilExit()
        try #require(process.terminationStatus == 0)
        try body(directory)
    }
}
