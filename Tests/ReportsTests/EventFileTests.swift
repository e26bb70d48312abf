import Base
import Foundation
import Images
import Reports
import TestSupport
import Testing

private let python = URL(fileURLWithPath: #filePath).deletingLastPathComponent().path + "/../../.venv/bin/python"

/// The output of `script` on `directory`, read with TensorBoard's reader.
private func tensorBoard(_ script: String, _ directory: String) throws -> [String] {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: python)
    let opening = """
        import sys
        from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
        events = EventAccumulator(sys.argv[1], size_guidance={"scalars": 0, "images": 0, "tensors": 0})
        events.Reload()

        """
    process.arguments = ["-W", "ignore", "-c", opening + script, directory]
    let output = Pipe()
    process.standardOutput = output
    process.standardError = FileHandle.nullDevice
    try process.run()
    let text = String(decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
    process.waitUntilExit()
    #expect(process.terminationStatus == 0)
    return text.split(separator: "\n").map(String.init)
}

private let hasTensorBoard: Bool = {
    guard FileManager.default.isExecutableFile(atPath: python) else { return false }
    let process = Process()
    process.executableURL = URL(fileURLWithPath: python)
    process.arguments = ["-c", "import tensorboard"]
    process.standardError = FileHandle.nullDevice
    guard (try? process.run()) != nil else { return false }
    process.waitUntilExit()
    return process.terminationStatus == 0
}()

/// The record data of the only file in `directory`, after checking lengths and checksums.
private func records(_ directory: String) throws -> [[UInt8]] {
    let name = try #require(try names(in: directory).first)
    let bytes = [UInt8](try Data(contentsOf: URL(fileURLWithPath: "\(directory)/\(name)")))
    func number(_ start: Int, _ count: Int) -> UInt64 {
        (0..<count).reduce(0) { $0 | UInt64(bytes[start + $1]) << UInt64(8 * $1) }
    }
    var (found, start): ([[UInt8]], Int) = ([], 0)
    while start < bytes.count {
        try #require(bytes.count - start >= 16)
        let length = Int(clamping: number(start, 8))
        try #require(length <= bytes.count - start - 16)
        #expect(number(start + 8, 4) == UInt64(naiveMaskedChecksum(Array(bytes[start..<start + 8]))))
        let data = Array(bytes[start + 12..<start + 12 + length])
        #expect(number(start + 12 + length, 4) == UInt64(naiveMaskedChecksum(data)))
        found.append(data)
        start += 16 + length
    }
    return found
}

/// CRC-32C, bit by bit, masked.
private func naiveMaskedChecksum(_ bytes: [UInt8]) -> UInt32 {
    let value = ~naiveChecksum(bytes)
    return ((value >> 15) | (value << 17)) &+ 0xA282_EAD8
}

private func naiveChecksum(_ bytes: [UInt8]) -> UInt32 {
    var value = UInt32.max
    for byte in bytes {
        value ^= UInt32(byte)
        for _ in 0..<8 { value = value & 1 == 1 ? (value >> 1) ^ 0x82F6_3B78 : value >> 1 }
    }
    return value
}

@Suite struct EventFileTests {
    private let image: Image

    init() throws {
        let pixels = (0..<5 * 3).flatMap { (pixel: UInt8) -> [UInt8] in [16 * pixel, 255 - pixel, 7] }
        image = try Image(width: 5, height: 3, pixels: pixels)
    }

    @Test func recordsHaveTFRecordFraming() throws {
        #expect(~naiveChecksum(Array("123456789".utf8)) == 0xE306_9283, "the check value of CRC-32C")
        try withTemporaryDirectory { directory in
            let file = try EventFile(directory: directory, purgeStep: 7)
            #expect(try file.append(step: 300, [.scalar("a/b", 1.5), .text("t", "x")]) == nil)
            let found = try records(directory)
            try #require(found.count == 3)
            #expect(found[0].suffix(13) == Array("brain.Event:2".utf8)[...])
            #expect(found[1].suffix(6) == [0x10, 7, 0x3A, 2, 0x08, 1], "step 7, a session that starts")
            #expect(found[2].dropFirst(9).prefix(3) == [0x10, 0xAC, 2], "step 300")
        }
    }

    @Test(.enabled(if: hasTensorBoard, ".venv has no tensorboard; run: Launch/setup --tests"))
    func tensorBoardReadsScalarsImagesAndTexts() throws {
        try withTemporaryDirectory { directory in
            let file = try EventFile(directory: directory, purgeStep: 0)
            for step in [0, 1, 1000, 3_000_000_000] {
                _ = try file.append(step: step, [.scalar("loss/train", 1 / Double(step + 1)), .scalar("lr", -2.5)])
            }
            _ = try file.append(step: 4, [.image("picture", image), .text("configuration", "`a` \u{1F600} b")])
            let lines = try tensorBoard(
                """
                print([(s.step, s.value) for s in events.Scalars("loss/train")] == [
                    (s, __import__("numpy").float32(1 / (s + 1))) for s in (0, 1, 1000, 3000000000)])
                print([s.value for s in events.Scalars("lr")])
                picture = events.Images("picture")[0]
                import io, PIL.Image
                print(picture.step, picture.width, picture.height)
                print(list(PIL.Image.open(io.BytesIO(picture.encoded_image_string)).tobytes()))
                text = events.Tensors("configuration")[0]
                print(text.step, text.tensor_proto.string_val[0].decode().encode("unicode_escape").decode())
                print(events.SummaryMetadata("configuration").plugin_data.plugin_name, events.file_version)
                """, directory)
            #expect(
                lines == [
                    "True", "[-2.5, -2.5, -2.5, -2.5]", "4 5 3", "\(image.pixels.map(Int.init))",
                    "4 `a` \\U0001f600 b", "text 2.0",
                ])
        }
    }

    /// A run that was stopped after step 5 of 7 and continued with different values.
    @Test(.enabled(if: hasTensorBoard, ".venv has no tensorboard; run: Launch/setup --tests"))
    func resumedRunReplacesItsLaterSteps() throws {
        try withTemporaryDirectory { directory in
            let first = try EventFile(directory: directory, purgeStep: 0)
            for step in 1...7 { _ = try first.append(step: step, [.scalar("loss", Double(step))]) }
            let second = try EventFile(directory: directory, purgeStep: 6)
            for step in 6...8 { _ = try second.append(step: step, [.scalar("loss", Double(-step))]) }
            let lines = try tensorBoard("print([(s.step, s.value) for s in events.Scalars('loss')])", directory)
            #expect(
                lines == [
                    "[(1, 1.0), (2, 2.0), (3, 3.0), (4, 4.0), (5, 5.0), (6, -6.0), (7, -7.0), (8, -8.0)]"
                ])
        }
    }

    @Test func uncreatableDirectoryIsRejected() throws {
        try withTemporaryDirectory { directory in
            try Data().write(to: URL(fileURLWithPath: "\(directory)/file"))
            #expect(throws: Failure.self) { try EventFile(directory: "\(directory)/file/run", purgeStep: 0) }
        }
    }
}
