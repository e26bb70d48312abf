import Base
import Foundation
import Images
import TestSupport
import Testing

let python = URL(fileURLWithPath: #filePath).deletingLastPathComponent().path + "/../../.venv/bin/python"

/// Whether .venv has what make_formats.py needs.
let hasReferences: Bool = {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: python)
    process.arguments = ["-c", "import numpy, tifffile; from PIL import features; assert features.check('webp')"]
    process.standardError = FileHandle.nullDevice
    guard (try? process.run()) != nil else { return false }
    process.waitUntilExit()
    return process.terminationStatus == 0
}()

/// Files of WebP, GIF, TIFF, BMP and PNM, and the pixels of Pillow.
@Suite(.enabled(if: ImageKind.missing.isEmpty, "built without an image library; run: Launch/setup"))
struct FormatTests {
    /// The size and pixels that make_formats.py expects of a file.
    private func expected(_ file: URL) throws -> Image {
        let bytes = try [UInt8](Data(contentsOf: file.appendingPathExtension("rgb")))
        let size = bytes.withUnsafeBytes { bytes in
            (0..<2).map { Int(bytes.loadUnaligned(fromByteOffset: 4 * $0, as: Int32.self)) }
        }
        return try Image(width: size[0], height: size[1], pixels: Array(bytes[8...]))
    }

    /// Compares the files of a directory; returns their names.
    private func compare(_ directory: URL) throws -> [String] {
        let files = try FileManager.default.contentsOfDirectory(at: directory, includingPropertiesForKeys: nil)
            .filter { $0.pathExtension != "rgb" }
        for file in files where !file.lastPathComponent.hasPrefix("refused") {
            let image = try ImageDecoder.decode([UInt8](Data(contentsOf: file)))
            let expected = try expected(file)
            #expect(image.width == expected.width && image.height == expected.height, "\(file.lastPathComponent)")
            #expect(image.pixels == expected.pixels, "\(file.lastPathComponent)")
        }
        return files.map(\.lastPathComponent)
    }

    @Test func storedFilesHaveThePixelsOfPillow() throws {
        #expect(try compare(formats()).count == 26)
    }

    @Test(.enabled(if: hasReferences, ".venv has no Pillow and tifffile; run: Launch/setup --tests"))
    func newFilesHaveThePixelsOfPillow() throws {
        try withReferences("make_formats.py") { directory in
            let names = try compare(URL(fileURLWithPath: directory))
            #expect(names.count == 138)
            for (name, values) in [("float", "floating-point"), ("signed", "signed")] {
                let file = URL(fileURLWithPath: "\(directory)/refused-\(name).tif")
                let failure = #expect(throws: Failure.self) {
                    try ImageDecoder.decode([UInt8](Data(contentsOf: file)))
                }
                #expect(failure?.problem == "a TIFF image of \(values) values")
            }
        }
    }

    /// The beginning of a file is refused, unless only a marker of its end is missing. The last number of a text may be cut unnoticed.
    @Test func noBeginningOfAFileIsAnotherImage() throws {
        for (name, whole) in try formatFiles() where !name.hasPrefix("text") {
            let image = try ImageDecoder.decode(whole)
            let accepted = (0..<whole.count).filter { count in
                guard let other = try? ImageDecoder.decode(Array(whole[..<count])) else { return false }
                #expect(other == image, "\(name): \(count) of \(whole.count) bytes")
                return true
            }
            #expect(accepted.allSatisfy { $0 >= whole.count - 16 }, "\(name): \(accepted) of \(whole.count) bytes")
        }
    }

    @Test func limitAndMemoryAreAskedBeforeDecoding() throws {
        struct Refusal: Error {}
        for (name, bytes) in try formatFiles() {
            let image = try ImageDecoder.decode(bytes)
            let count = image.width * image.height
            let failure = #expect(throws: Failure.self) { try ImageDecoder.decode(bytes, pixelLimit: count - 1) }
            #expect(failure?.hint.contains("at most \(count - 1) pixels") == true, "\(name): \(failure?.problem ?? "")")
            #expect(throws: Refusal.self, "\(name)") {
                try ImageDecoder.decode(bytes) { header in
                    #expect(header.width * header.height == count && header.decodingBytes >= 3 * count, "\(name)")
                    throw Refusal()
                }
            }
        }
    }

    /// The libraries share no state between threads.
    @Test func manyThreadsDecodeAtOnce() async throws {
        let files = try formatFiles().map(\.bytes)
        let expected = try files.map { try ImageDecoder.decode($0) }
        await withTaskGroup(of: Bool.self) { group in
            for number in 0..<8 * files.count {
                let (bytes, image) = (files[number % files.count], expected[number % files.count])
                group.addTask { (try? ImageDecoder.decode(bytes)) == image }
            }
            for await isEqual in group { #expect(isEqual) }
        }
    }
}
