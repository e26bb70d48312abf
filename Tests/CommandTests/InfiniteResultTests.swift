import Foundation
import Shards
import TestSupport
import Testing

/// Weights that are finite but too large: no command reports what is no number as a result.
@Suite struct InfiniteResultTests {
    @Test func resultsThatAreNotFiniteEndWithOneLine() throws {
        try withShards(train: 16, validation: 12) { path in
            let trained = try crate(pretrainArguments(path, run: "run", ["--steps", "1"]))
            try #require(trained.status == 0, "\(trained.errors)")
            let exported = try crate(["export", "--checkpoint", "\(path)/run", "--output", "\(path)/model.safetensors"])
            try #require(exported.status == 0, "\(exported.errors)")
            try enlargeWeights("\(path)/model.safetensors")
            let drawn = try crate([
                "synthesize", "\(path)/pictures", "--images", "2", "--classes", "1", "--masks", "\(path)/masks",
            ])
            try #require(drawn.status == 0, "\(drawn.errors)")
            let (model, image) = (["--checkpoint", "\(path)/model.safetensors"], "\(path)/pictures/class-00/00000.jpg")
            func expectRefusal(_ arguments: [String], ranks: Int? = nil) throws {
                let result = try crate([arguments[0]] + model + arguments.dropFirst(), ranks: ranks)
                #expect(result.status == 1, "\(arguments[0]): exit code \(result.status)")
                #expect(result.failureLines.count == 1, "\(arguments[0]): \(result.errors)")
                #expect(result.failureLines.first?.contains("not finite") == true, "\(arguments[0]): \(result.errors)")
                let words = result.output.lowercased().split { !$0.isLetter }
                #expect(!words.contains("nan") && !words.contains("inf"), "\(arguments[0]): \(result.output)")
            }
            let data = ["--data", "\(path)/val"]
            try expectRefusal(["evaluate"] + data)
            try expectRefusal(["evaluate"] + data, ranks: 2)
            try expectRefusal(["analyze", "--images", "2"] + data)
            try expectRefusal(["features", "--output", "\(path)/f.h5"] + data)
            #expect(!FileManager.default.fileExists(atPath: "\(path)/f.h5"))
            try expectRefusal(["probe", "--train", "\(path)/train", "--validation", "\(path)/val"])
            try expectRefusal(["reconstruct", "--output", "\(path)/reconstructed", image])
            try expectRefusal(["attention", "--output", "\(path)/maps", image])
            try expectRefusal(["pca", "--output", "\(path)/colours", image])
            try expectRefusal(["emergence", "--images", "\(path)/pictures", "--masks", "\(path)/masks"])
        }
    }

    /// Sets every value of `path` to 1e30.
    private func enlargeWeights(_ path: String) throws {
        var bytes = [UInt8](try Data(contentsOf: URL(fileURLWithPath: path)))
        let header = bytes[..<8].reversed().reduce(0) { $0 << 8 | Int($1) }
        let large = withUnsafeBytes(of: Float(1e30)) { Array($0) }
        for place in stride(from: 8 + header, to: bytes.count, by: 4) {
            bytes.replaceSubrange(place..<place + 4, with: large)
        }
        try Data(bytes).write(to: URL(fileURLWithPath: path))
    }

    @Test func goldenCaseThatIsNotFiniteIsRefused() throws {
        let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().path + "/../DiagnosticsTests/Golden"
        try withTemporaryDirectory { path in
            let name = "\(path)/case.safetensors"
            try FileManager.default.copyItem(atPath: "\(root)/mae_pixels.safetensors", toPath: name)
            try enlargeWeights(name)
            for precision in ["fp32", "bf16"] {
                let result = try crate(["compare", name, "--precision", precision])
                #expect(result.status == 1 && result.failureLines.count == 1, "\(result.output)\(result.errors)")
            }
        }
    }
}
