import Foundation
import TestSupport
import Testing

/// Labels are compared only where they mean the same classes.
@Suite(.serialized) struct ClassMeaningTests {
    /// Shards of four classes, `train` and `val`, and of as many others, `other`; a classifier of the first, `run`.
    private func withClassifier(_ body: (String) throws -> Void) throws {
        try withShards(train: 32, validation: 12) { path in
            let manager = FileManager.default
            try manager.copyItem(atPath: "\(path)/val-images", toPath: "\(path)/other-images")
            try manager.moveItem(atPath: "\(path)/other-images/class-00", toPath: "\(path)/other-images/class-04")
            try succeed(["shard", "\(path)/other-images", "\(path)/other", "--image-size", "40", "--patch-size", "8"])
            try succeed(trainArguments(path, validation: "val", run: "run"))
            try body(path)
        }
    }

    private func trainArguments(_ path: String, validation: String, run: String) -> [String] {
        [
            "train", "--data", "\(path)/train", "--validation", "\(path)/\(validation)", "--run", "\(path)/\(run)",
            "--dim", "48", "--depth", "2", "--heads", "3", "--image-size", "32", "--patch-size", "8", "--batch-size",
            "16", "--lr", "5e-4", "--steps", "2",
        ]
    }

    private func evaluateArguments(_ path: String, _ checkpoint: String, _ data: String) -> [String] {
        ["evaluate", "--checkpoint", "\(path)/\(checkpoint)", "--data", "\(path)/\(data)"]
    }

    private let difference = "(4 and 4): label 0 means class-01 in the former and class-00 in the latter"

    @Test func othersOfTheSameNumberAreRefusedEverywhere() throws {
        try withClassifier { path in
            try refuse(difference, trainArguments(path, validation: "other", run: "new"))
            try refuse(difference, evaluateArguments(path, "run", "other"))
            let finetune = [
                "finetune", "--from", "\(path)/run", "--data", "\(path)/other", "--run", "\(path)/fine", "--batch-size",
                "12", "--steps", "1", "--lr", "1e-3",
            ]
            try refuse("\(difference); add --new-head", finetune)
            try refuse(
                difference,
                [
                    "probe", "--checkpoint", "\(path)/run", "--train", "\(path)/train", "--validation",
                    "\(path)/other",
                ])
            try refuse(
                difference,
                pretrainArguments(
                    path, run: "near", ["--validation", "\(path)/other", "--knn-every", "1", "--steps", "2"]))
            for run in ["new", "fine", "near"] { #expect(!FileManager.default.fileExists(atPath: "\(path)/\(run)")) }
            try succeed(finetune + ["--new-head"])
            // Pretraining compares no labels.
            try succeed(pretrainArguments(path, run: "pre", ["--validation", "\(path)/other", "--steps", "1"]))
        }
    }

    /// Exports, imports and averages carry the names on; a fine-tuned classifier has those of its own shards.
    @Test func namesGoWithTheWeights() throws {
        try withClassifier { path in
            let export = "\(path)/out.safetensors"
            try succeed(["export", "--checkpoint", "\(path)/run", "--output", export])
            try succeed(["import", export, "--run", "\(path)/imported"])
            for checkpoint in ["out.safetensors", "imported"] {
                let good = try crate(evaluateArguments(path, checkpoint, "val"))
                #expect(good.status == 0 && good.errors.isEmpty, "\(good.errors)")
                try refuse(difference, evaluateArguments(path, checkpoint, "other"))
            }
            try succeed([
                "finetune", "--from", export, "--new-head", "--data", "\(path)/other", "--run", "\(path)/fine",
                "--batch-size", "12", "--steps", "1", "--lr", "1e-3", "--ema", "0.9",
            ])
            for weights in ["trained", "average"] {
                let good = try crate(evaluateArguments(path, "fine", "other") + ["--weights", weights])
                #expect(good.status == 0 && good.errors.isEmpty, "\(good.errors)")
                try refuse(
                    "label 0 means class-00 in the former and class-01 in the latter",
                    evaluateArguments(path, "fine", "val") + ["--weights", weights])
            }
        }
    }

    /// A file of an earlier version does not name its classes: it is used as before, and a line says that nothing can be compared.
    @Test func filesWithoutNamesAreToldOf() throws {
        try withClassifier { path in
            let export = "\(path)/out.safetensors"
            try succeed(["export", "--checkpoint", "\(path)/run", "--output", export])
            try changeMetadata(of: export) { $0["classes"] = nil }
            for data in ["val", "other"] {
                let result = try crate(evaluateArguments(path, "out.safetensors", data))
                #expect(result.status == 0, "\(result.errors)")
                let lines = result.errors.split(separator: "\n")
                #expect(lines.count == 1 && lines[0].contains("does not name the classes"), "\(result.errors)")
            }
            let tuned = try crate([
                "finetune", "--from", export, "--data", "\(path)/other", "--run", "\(path)/fine", "--batch-size", "12",
                "--steps", "1", "--lr", "1e-3",
            ])
            #expect(tuned.status == 0 && tuned.output.contains("does not name the classes"), "\(tuned.errors)")
            try changeMetadata(of: export) { $0["classes"] = #"["one", "two"]"# }
            try refuse("does not name its 4 classes", evaluateArguments(path, "out.safetensors", "val"))
        }
    }

    /// Changes the metadata in the header of the safetensors file `path`.
    private func changeMetadata(of path: String, _ change: (inout [String: String]) -> Void) throws {
        let file = try Data(contentsOf: URL(fileURLWithPath: path))
        let length = file.prefix(8).enumerated().reduce(0) { $0 | Int($1.element) << (8 * $1.offset) }
        var header = try #require(
            try JSONSerialization.jsonObject(with: file.dropFirst(8).prefix(length)) as? [String: Any])
        var metadata = try #require(header["__metadata__"] as? [String: String])
        change(&metadata)
        header["__metadata__"] = metadata
        let json = try JSONSerialization.data(withJSONObject: header)
        try (withUnsafeBytes(of: UInt64(json.count).littleEndian) { Data($0) } + json + file.dropFirst(8 + length))
            .write(to: URL(fileURLWithPath: path))
    }
}
