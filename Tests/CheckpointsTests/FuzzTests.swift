import Base
import Checkpoints
import CrateModel
import Foundation
import TestSupport
import Testing

/// Files of checkpoints with hostile values and correct checksums: each is refused in one line or harmless, in bounded memory. In a
/// child process, since a trap would end it. CRATE_FUZZ_SECONDS in the environment makes it longer.
@Suite struct HostileFileTests {
    @Test func hostileFilesOfCheckpointsAreHarmless() async throws {
        let result = await #expect(
            processExitsWith: .success, observing: [\.standardOutputContent, \.standardErrorContent]
        ) {
            try CheckpointFuzz.run(iterations: 3000)
        }
        #expect(
            result?.standardErrorContent.isEmpty == true,
            "\(String(decoding: result?.standardErrorContent ?? [], as: UTF8.self))")
        let text = String(decoding: result?.standardOutputContent ?? [], as: UTF8.self)
        #expect(text.contains("hostile files of checkpoints"))
        print(text, terminator: "")
    }
}

/// Runs in the child process.
enum CheckpointFuzz {
    static func run(iterations: Int) throws {
        try limitFuzzing(memory: 1 << 30)
        for architecture in [Architecture.crate, .vit] { try run(architecture, iterations: iterations / 2) }
    }

    private static func run(_ architecture: Architecture, iterations: Int) throws {
        try withTemporaryDirectory { run in
            let store = CheckpointStore(run: run)
            let model = try Model(
                ModelConfiguration(
                    architecture, imageSize: 16, patchSize: 8, dim: 8, depth: 1, heads: 2,
                    decoder: DecoderExtents(dim: architecture == .vit ? 12 : 8, heads: 2), normalisesTargets: true))
            let values = try OwnedBuffer<Float>(count: model.layout.bufferCount)
            let path = try store.save(
                values.pointer, of: StoredModel(model, maskRatio: 0.75, normalisation: .imageNet), step: 3, samples: 24
            ) { UnsafePointer(values.pointer + $1.offset) }
            try RunSettings(command: "pretrain", options: ["dim": "8", "lr": "0.1"], resolved: ["dim": "8"]).write(
                run: run)
            var generator = KeyedGenerator(seed: 7, .augmentation, 0, 0)
            let hostile = HostileJSON { generator.next() }
            let (manifest, file) = ("\(path)/manifest.json", "\(path)/model.safetensors")
            let settings = "\(run)/config.json"
            let sound = try [manifest, file, settings].map { try RegularFile.contents(of: $0) }
            var (refused, harmless) = (0, 0)
            func attempt(_ what: String, _ body: () throws -> Void) {
                do {
                    try body()
                    harmless += 1
                } catch {
                    let text = Failure(from: error).description
                    guard !text.isEmpty, text.count < 900, !text.contains("Error(") else {
                        print("\(what): \(text)")
                        exit(2)
                    }
                    refused += 1
                }
            }
            for number in fuzzIterations(iterations) {
                switch number % 3 {
                case 0:
                    try DurableFile.write(signed(hostile.changed(Data(sound[0]))), to: manifest)
                    attempt("manifest") { _ = try store.verify(path) }
                    attempt("manifest") { _ = try Manifest.read(in: path) }
                    try DurableFile.write(sound[0], to: manifest)
                case 1:
                    try DurableFile.write(withHeader(sound[1], changed: hostile), to: file)
                    attempt("model") { _ = try CheckpointStore.description(ofModelFile: file) }
                    attempt("model") { _ = try PublishedModel(file: file, imageSize: nil).model }
                    let settings = ImportSettings(heads: 2, lambda: 0.5, normalisesTargets: nil, imageSize: nil)
                    attempt("model") { _ = try PublishedModel.importing(file, settings).model }
                    try DurableFile.write(sound[1], to: file)
                default:
                    try DurableFile.write([UInt8](hostile.changed(Data(sound[2]))), to: settings)
                    attempt("settings") { _ = try RunSettings.read(run: run) }
                }
            }
            print("hostile files of checkpoints of \(architecture): \(refused) refused, \(harmless) harmless")
        }
    }

    /// `manifest` with the checksum that it should have.
    private static func signed(_ manifest: Data) -> [UInt8] {
        guard var fields = try? JSONSerialization.jsonObject(with: manifest) as? [String: Any] else {
            return [UInt8](manifest)
        }
        func text() -> Data {
            (try? JSONSerialization.data(withJSONObject: fields, options: [.sortedKeys, .withoutEscapingSlashes]))
                ?? manifest
        }
        fields["checksum"] = 0
        fields["checksum"] = Checksum(of: [UInt8](text())).value
        return [UInt8](text())
    }

    /// The safetensors file `file` with a changed header; in every second one the metadata alone are changed.
    private static func withHeader(_ file: [UInt8], changed hostile: HostileJSON) throws -> [UInt8] {
        let length = Int(file.withUnsafeBytes { $0.loadUnaligned(as: UInt64.self) })
        var header = Data(file[8..<8 + length])
        if var fields = try JSONSerialization.jsonObject(with: header) as? [String: Any],
            var metadata = fields["__metadata__"] as? [String: String], let text = metadata["config"]
        {
            metadata["config"] = String(decoding: try hostile.changed(Data(text.utf8)), as: UTF8.self)
            fields["__metadata__"] = metadata
            let withMetadata = try JSONSerialization.data(withJSONObject: fields)
            header = withMetadata.count % 2 == 0 ? withMetadata : try hostile.changed(header)
        }
        let start = withUnsafeBytes(of: UInt64(header.count).littleEndian) { [UInt8]($0) }
        return start + header + file[(8 + length)...]
    }
}
