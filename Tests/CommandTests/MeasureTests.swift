import Foundation
import Loader
import TestSupport
import Testing

private let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().path + "/../.."
private let python = "\(root)/.venv/bin/python"
private let hasNumpy = (try? run([python, "-c", "import numpy, safetensors"]))?.status == 0

private let hasTensorBoard = (try? run([python, "-c", "import tensorboard"]))?.status == 0

/// All numbers inside `value`, by their path of keys and indices.
private func numbers(_ value: Any?, _ path: String = "") -> [String: Double] {
    switch value {
    case let number as Double: [path: number]
    case let list as [Any]:
        list.enumerated().reduce(into: [:]) { $0.merge(numbers($1.element, "\(path)/\($1.offset)")) { $1 } }
    case let object as [String: Any]:
        object.reduce(into: [:]) { $0.merge(numbers($1.value, "\(path)/\($1.key)")) { $1 } }
    default: [:]
    }
}

private func text(_ path: String) throws -> String { try String(contentsOfFile: path, encoding: .utf8) }

private func lines(_ run: String) throws -> [String] {
    try text("\(run)/measures.jsonl").split(separator: "\n").map(String.init)
}

private func object(_ json: String) throws -> Any { try JSONSerialization.jsonObject(with: Data(json.utf8)) }

@Suite struct MeasureTests {
    @Test func metricsDoNotDependOnTheNumberOfRanks() throws {
        try withShards { path in
            let options = [
                "--epochs", "2", "--validation", "\(path)/val", "--virtual-ranks", "4", "--measure-images", "7",
            ]
            for ranks in [1, 2, 4] {
                let result = try crate(pretrainArguments(path, run: "run\(ranks)", options), ranks: ranks)
                try #require(result.status == 0, "\(result.errors)")
                #expect(result.output.contains("measuring the layers took"))
            }
            let alone = try lines("\(path)/run1")
            #expect(alone.count == 3, "before the first epoch and after each")
            for ranks in [2, 4] { #expect(try lines("\(path)/run\(ranks)") == alone, "\(ranks) ranks") }
            let last = numbers(try object(try #require(alone.last)))
            #expect(last["/step"] == 8 && last["/epoch"] == 2 && last["/images"] == 7)
            // Two encoder blocks with seven spreads and two numbers each, two decoder blocks with one spread each.
            #expect(last.count == 3 + 2 * 16 + 2 * 2)
            #expect(try logged("measure_seconds", "\(path)/run1").count == 3)

            // Two checkpoints with more threads: the same numbers up to rounding.
            let analysed = try crate(
                [
                    "analyze", "--checkpoint", "\(path)/run1", "\(path)/run2", "--data", "\(path)/val", "--images", "7",
                    "--threads", "2", "--json", "\(path)/a.json", "--csv", "\(path)/a.csv",
                ], ranks: 2)
            #expect(analysed.status == 0, "\(analysed.errors)")
            #expect(analysed.output.contains("coding_rate_after") && analysed.output.contains("step 8, 7 images"))
            let checkpoints = try #require(try object(try text("\(path)/a.json")) as? [Any])
            try #require(checkpoints.count == 2)
            let measured = numbers(checkpoints[1])
            #expect(measured.count == last.count - 1, "everything except the epoch")
            for (key, value) in measured { #expect(abs(value - (last[key] ?? .nan)) <= 1e-6 * abs(value), "\(key)") }
            let table = try text("\(path)/a.csv").split(separator: "\n").map { $0.split(separator: ",") }
            try #require(table.count == 5 && table.allSatisfy { $0.count == table[0].count })
            let place = try #require(table[0].firstIndex(of: "ista_step_std"))
            let deviation = try #require(measured["/encoder/1/ista_step/std"])
            #expect(abs((Double(table[4][place]) ?? .nan) - deviation) < 1e-12)
        }
    }

    /// An independent implementation in numpy and float64 on the same images.
    @Test(.enabled(if: hasNumpy, ".venv has no numpy and safetensors; run: Launch/setup --tests"))
    func metricsMatchThePythonFormulas() throws {
        try withShards { path in
            let trained = try crate(
                pretrainArguments(path, run: "run", ["--steps", "30", "--no-tensorboard", "--lambda", "0.7"]))
            try #require(trained.status == 0, "\(trained.errors)")
            #expect(!FileManager.default.fileExists(atPath: "\(path)/run/tensorboard"))
            let model = "\(path)/run/checkpoints/step-0000000030/model.safetensors"
            let measured = try crate([
                "analyze", "--checkpoint", model, "--data", "\(path)/val", "--images", "6", "--json", "\(path)/a.json",
            ])
            try #require(measured.status == 0, "\(measured.errors)")
            // Six of thirteen: every second one.
            let loader = try BatchLoader(
                LoaderSettings(path: "\(path)/val", imageSize: 32, patchSize: 8, maskRatio: 0.75, seed: 0, capacity: 1))
            loader.begin(BatchSequence(first: 0, size: 1, stride: 2, end: 12), for: .evaluation)
            var (patches, masks) = (Data(), Data())
            while let batch = try loader.next() {
                patches.append(Data(bytes: batch.patches, count: 16 * 192 * 4))
                masks.append(Data(bytes: batch.mask, count: 16))
            }
            try patches.write(to: URL(fileURLWithPath: "\(path)/patches"))
            try masks.write(to: URL(fileURLWithPath: "\(path)/masks"))
            let result = try run([python, "\(root)/Tests/Peer/measures.py", model, "\(path)/patches", "\(path)/masks"])
            try #require(result.status == 0, "\(result.errors)")
            let expected = numbers(try object(result.output))
            let ours = numbers((try object(try text("\(path)/a.json")) as? [Any])?.first)
            #expect(expected.count == 1 + 2 * 16 + 2 * 2 && ours.count == expected.count + 1)
            for (key, value) in expected {
                #expect(abs((ours[key] ?? .nan) - value) <= 1e-4 * max(abs(value), 0.01), "\(key): \(value)")
            }
        }
    }

    @Test func measuringCanBeScheduledBySteps() throws {
        try withShards { path in
            func steps(_ run: String, _ options: [String]) throws -> [Double] {
                let result = try crate(
                    pretrainArguments(path, run: run, ["--steps", "7", "--validation", "\(path)/val"] + options))
                #expect(result.status == 0, "\(result.errors)")
                guard FileManager.default.fileExists(atPath: "\(path)/\(run)/measures.jsonl") else { return [] }
                return try lines("\(path)/\(run)").map { numbers(try object($0))["/step"] ?? .nan }
            }
            #expect(try steps("evaluations", []) == [0, 4, 7])
            #expect(try steps("steps", ["--measure-every", "3"]) == [0, 3, 6, 7])
            #expect(try steps("never", ["--measure-every", "0"]) == [])
            let refused = try crate(pretrainArguments(path, run: "x", ["--steps", "1", "--measure-every", "3"]))
            #expect(refused.status != 0 && refused.errors.contains("give --validation"))
        }
    }

    /// A log that is ahead of the checkpoint is cut, and no step is measured twice.
    @Test func resumedRunMeasuresEachStepOnce() throws {
        try withShards { path in
            let options = ["--epochs", "3", "--validation", "\(path)/val", "--measure-every", "2"]
            let whole = try crate(pretrainArguments(path, run: "whole", options), ranks: 2)
            try #require(whole.status == 0, "\(whole.errors)")
            try FileManager.default.copyItem(atPath: "\(path)/whole", toPath: "\(path)/stopped")
            try FileManager.default.removeItem(atPath: "\(path)/stopped/checkpoints/step-0000000012")
            let cut = try text("\(path)/stopped/measures.jsonl").dropLast(40)
            try Data(cut.utf8).write(to: URL(fileURLWithPath: "\(path)/stopped/measures.jsonl"))
            let resumed = try crate(pretrainArguments(path, run: "stopped", options + ["--resume"]), ranks: 2)
            #expect(resumed.status == 0, "\(resumed.errors)")
            #expect(try lines("\(path)/stopped") == lines("\(path)/whole"))
            #expect(try names(in: "\(path)/stopped/tensorboard/steps").count == 2, "one file per start")
            guard hasTensorBoard else { return }
            // TensorBoard shows the values of the log, each step once.
            let script = """
                import json, sys
                from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
                for name in ("steps", "epochs-1000x"):
                    events = EventAccumulator(sys.argv[1] + "/tensorboard/" + name, size_guidance={"scalars": 0})
                    events.Reload()
                    print(json.dumps([[s.step, s.value] for s in events.Scalars("train/loss")]))
                """
            let shown = try run([python, "-W", "ignore", "-c", script, "\(path)/stopped"])
            #expect(shown.status == 0, "\(shown.errors)")
            let curves = try shown.output.split(separator: "\n").map { try object(String($0)) as? [[Double]] ?? [] }
            let losses = try logged("loss", "\(path)/stopped")
            try #require(curves.count == 2 && losses.count == 12)
            // Compare event-file floats as Doubles; a conversion to text and back can change the last digit.
            for (curve, spacing) in zip(curves, [1.0, 250]) {
                #expect(curve.map { $0[0] } == (1...12).map { spacing * Double($0) })
                #expect(curve.map { Float($0[1]) } == losses.map { Float($0) })
            }
        }
    }

    @Test func invalidInputGivesOneLine() throws {
        try withShards { path in
            func failure(_ arguments: [String], ranks: Int? = nil) throws -> String {
                let result = try crate(["analyze"] + arguments, ranks: ranks)
                #expect(result.status == 1 && result.failureLines.count == 1, "\(result.errors)")
                #expect(result.output.isEmpty)
                return result.failureLines.first ?? ""
            }
            let data = ["--data", "\(path)/val"]
            #expect(
                try failure(["--checkpoint", "\(path)/none"] + data, ranks: 2).contains("there is no \(path)/none"))
            #expect(try failure(["--checkpoint", "\(path)/val"] + data).contains("holds no checkpoint"))
            try Data("text".utf8).write(to: URL(fileURLWithPath: "\(path)/text.safetensors"))
            #expect(try failure(["--checkpoint", "\(path)/text.safetensors"] + data).contains("text.safetensors"))
            let trained = try crate(pretrainArguments(path, run: "run", ["--steps", "1"]))
            try #require(trained.status == 0, "\(trained.errors)")
            let checkpoint = ["--checkpoint", "\(path)/run"]
            #expect(try failure(checkpoint + ["--data", "\(path)/nowhere"]).contains("\(path)/nowhere"))
            #expect(
                try failure(checkpoint + data + ["--mask-ratio", "1"]).contains("mask ratio 1.0 hides none or all"))
            let second = try failure(checkpoint + ["\(path)/none"] + data)
            #expect(second.contains("there is no \(path)/none"), "the second of two")
            #expect(
                try failure(checkpoint + data + ["--json", "\(path)/no/such/file"], ranks: 2).contains("no/such/file"))
            #expect(try crate(["analyze"] + checkpoint + data + ["--images", "0"]).status != 0)
        }
    }
}
