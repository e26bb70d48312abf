import Base
import Checkpoints
import CrateModel
import Foundation
import Optimizers
import TestSupport
import Testing

/// The state of a small model, with values that identify their position.
private struct Example: ~Copyable {
    let model: Model
    let parameters: OwnedBuffer<Float>
    let firstMoments: OwnedBuffer<Float>
    let secondMoments: OwnedBuffer<Float>

    init(offset: Float) throws {
        let model = try Model(
            ModelConfiguration(
                imageSize: 16, patchSize: 8, dim: 8, depth: 1, heads: 2, normalisesTargets: true))
        let parameters = try OwnedBuffer<Float>(count: model.layout.bufferCount)
        let firstMoments = try OwnedBuffer<Float>(count: model.layout.bufferCount)
        let secondMoments = try OwnedBuffer<Float>(count: model.layout.bufferCount)
        for i in 0..<model.layout.bufferCount {
            parameters.pointer[i] = offset + Float(i)
            firstMoments.pointer[i] = offset - Float(i)
            secondMoments.pointer[i] = offset + 2 * Float(i)
        }
        self.model = model
        self.parameters = parameters
        self.firstMoments = firstMoments
        self.secondMoments = secondMoments
    }

    /// The trained values of all three buffers.
    var values: [Float] {
        [parameters.pointer, firstMoments.pointer, secondMoments.pointer].flatMap { buffer in
            model.layout.parameters.flatMap { parameter in (0..<parameter.count).map { buffer[parameter.offset + $0] } }
        }
    }

    @discardableResult
    borrowing func save(to store: CheckpointStore, step: Int) throws -> String {
        let (first, second) = (firstMoments.pointer, secondMoments.pointer)
        return try store.save(
            parameters.pointer, of: StoredModel(model, maskRatio: 0.6, normalisation: .imageNet), step: step,
            samples: 8 * step
        ) { UnsafePointer(($0 == .first ? first : second) + $1.offset) }
    }

    borrowing func load(from path: String) throws {
        let (first, second) = (firstMoments.pointer, secondMoments.pointer)
        try CheckpointStore.load(into: parameters.pointer, of: model, from: path) {
            moment, parameter, values in
            ((moment == .first ? first : second) + parameter.offset).update(from: values, count: parameter.count)
        }
    }
}

@Suite struct CheckpointStoreTests {
    @Test func newestCheckpointIsLoaded() throws {
        try withTemporaryDirectory { run in
            let store = CheckpointStore(run: run)
            let empty = store.newest { _, _ in }
            #expect(empty == nil)
            let (older, newer) = (5, 100_000)
            for (step, offset) in [(older, Float(1)), (newer, 2)] {
                let example = try Example(offset: offset)
                try example.save(to: store, step: step)
            }
            let newest = try #require(store.newest { Issue.record($1) })
            #expect(newest.manifest.step == newer && newest.manifest.samples == 8 * newer)
            #expect(newest.path.hasSuffix("/checkpoints/step-0000100000"))
            let (loaded, expected) = (try Example(offset: 0).values, try Example(offset: 2).values)
            #expect(loaded != expected)
            let target = try Example(offset: 0)
            try target.load(from: newest.path)
            #expect(target.values == expected)
            let description = try CheckpointStore.description(ofModelFile: "\(newest.path)/model.safetensors")
            #expect(description.model.configuration == target.model.configuration && description.maskRatio == 0.6)
        }
    }

    @Test(arguments: ["model.safetensors", "optimizer.safetensors", "manifest.json"])
    func corruptCheckpointIsSkipped(file: String) throws {
        try withTemporaryDirectory { run in
            let store = CheckpointStore(run: run)
            let example = try Example(offset: 1)
            try example.save(to: store, step: 1)
            let path = "\(try example.save(to: store, step: 2))/\(file)"
            var data = try Data(contentsOf: URL(fileURLWithPath: path))
            try #require(!data.isEmpty)
            data[data.count / 2] ^= 0xFF
            try data.write(to: URL(fileURLWithPath: path))
            var reports: [Failure] = []
            let newest = store.newest { reports.append($1) }
            #expect(newest?.manifest.step == 1)
            #expect(reports.count == 1 && reports[0].problem.contains(file))
        }
    }

    @Test func partialCheckpointIsIgnored() throws {
        try withTemporaryDirectory { run in
            let store = CheckpointStore(run: run)
            let example = try Example(offset: 1)
            let path = try example.save(to: store, step: 3)
            try FileManager.default.moveItem(atPath: path, toPath: path + ".partial")
            let newest = store.newest { Issue.record($1) }
            #expect(newest == nil)
            // The leftover directory does not prevent saving the same step.
            try example.save(to: store, step: 3)
            #expect(store.paths() == [path])
            #expect(!FileManager.default.fileExists(atPath: path + ".partial"))
        }
    }

    /// A checkpoint that cannot be read, for whatever reason, stays until its successor is complete.
    @Test func unreadableCheckpointIsReplacedByACompleteOne() throws {
        try withTemporaryDirectory { run in
            let store = CheckpointStore(run: run)
            let example = try Example(offset: 1)
            let path = try example.save(to: store, step: 3)
            let manifest = "\(path)/manifest.json"
            let written = try RegularFile.contents(of: manifest)
            try DurableFile.write([], to: manifest)
            #expect(throws: Failure.self) {
                try store.save(
                    example.parameters.pointer,
                    of: StoredModel(example.model, maskRatio: 0.6, normalisation: .imageNet),
                    step: 3, samples: 24
                ) { _, _ in throw Failure("no moments", hint: "") }
            }
            #expect(try names(in: "\(run)/checkpoints") == ["step-0000000003"])
            #expect(try RegularFile.contents(of: manifest).isEmpty, "the old one is unchanged")
            try example.save(to: store, step: 3)
            #expect(try RegularFile.contents(of: manifest) == written)
            #expect(try names(in: "\(run)/checkpoints") == ["step-0000000003"])
        }
    }

    /// Another owner's leftovers, or a file that NFS keeps while it is open.
    @Test(.enabled(if: getuid() == 0, "immutable files need root"))
    func leftoversThatCannotBeRemovedDoNotPreventSaving() throws {
        try withTemporaryDirectory { run in
            let leftover = "\(run)/checkpoints/step-0000000001.partial"
            try makeDirectory(leftover)
            try DurableFile.write([1], to: "\(leftover)/model.safetensors")
            let isHeld = mount("tmpfs", leftover, "tmpfs", 0, nil) == 0
            try #require(isHeld, "a mount point cannot be removed")
            defer { umount2(leftover, Int32(MNT_DETACH)) }
            let store = CheckpointStore(run: run)
            let example = try Example(offset: 1)
            let path = try example.save(to: store, step: 2)
            #expect(store.paths() == [path])
        }
    }

    @Test func descriptionsOfNothingAndImpossibleNumbersAreDamage() throws {
        try withTemporaryDirectory { run in
            let store = CheckpointStore(run: run)
            let example = try Example(offset: 1)
            let path = try example.save(to: store, step: 2)
            let manifest = "\(path)/manifest.json"
            let good = String(decoding: try RegularFile.contents(of: manifest), as: UTF8.self)
            let files = try #require(good.range(of: #"\{"model.*?\}\}"#, options: .regularExpression))
            let hostile = [
                good.replacingCharacters(in: files, with: "{}"),
                good.replacingOccurrences(of: "\"samples\":16", with: "\"samples\":-1"),
                good.replacingOccurrences(of: "\"step\":2", with: "\"step\":4611686018427387904"),
                good.replacingOccurrences(
                    of: "\"bytes\":[0-9]+", with: "\"bytes\":4611686018427387904", options: .regularExpression),
                good.replacingOccurrences(of: "model.safetensors", with: "../model.safetensors"),
            ]
            for text in hostile {
                #expect(text != good)
                try DurableFile.write(signed(text), to: manifest)
                let failure = #expect(throws: Failure.self, "\(text)") { try store.verify(path) }
                #expect(failure?.problem == "\(manifest) is damaged", "\(text)")
            }
            try DurableFile.write(Array(good.utf8), to: manifest)
            _ = try store.verify(path)
            // A FIFO, which nobody writes to.
            for file in ["\(path)/model.safetensors", manifest] {
                unlink(file)
                try #require(mkfifo(file, 0o600) == 0)
                #expect(throws: Failure.self) { try store.verify(path) }
                #expect(throws: Failure.self) { try SafetensorsReader(path: file) }
            }
        }
    }

    /// `text`, a manifest, with the checksum that it should have.
    private func signed(_ text: String) throws -> [UInt8] {
        let field = try #require(text.range(of: #""checksum":[0-9]+,"f"#, options: .regularExpression))
        let zero = text.replacingCharacters(in: field, with: "\"checksum\":0,\"f")
        let value = Checksum(of: Array(zero.utf8)).value
        return Array(text.replacingCharacters(in: field, with: "\"checksum\":\(value),\"f").utf8)
    }

    /// The metadata of a file without tensors must not size memory; a mask ratio must be one.
    @Test func describedModelsMustBeInTheFile() throws {
        try withTemporaryDirectory { directory in
            let example = try Example(offset: 1)
            let stored = StoredModel(example.model, maskRatio: 0.6, normalisation: .imageNet)
            let path = "\(directory)/model.safetensors"
            var metadata = try stored.metadata
            let configuration = try #require(metadata["config"])
            metadata["config"] = configuration.replacingOccurrences(of: "\"dim\":8", with: "\"dim\":16384")
                .replacingOccurrences(of: "\"depth\":1", with: "\"depth\":256")
            #expect(metadata["config"] != configuration)
            try writeSafetensors([], metadata: metadata, to: path) { _ in fatalError("no tensor") }
            let failure = #expect(throws: Failure.self) { try CheckpointStore.description(ofModelFile: path) }
            #expect(failure?.problem.contains("which its tensors cannot be") == true)
            for ratio in ["nan", "2", "-0.5", "inf"] {
                try writeSafetensors([], metadata: ["config": configuration, "mask_ratio": ratio], to: path) { _ in
                    fatalError("no tensor")
                }
                let failure = #expect(throws: Failure.self) { try CheckpointStore.description(ofModelFile: path) }
                #expect(failure?.problem.contains("says a mask ratio of") == true)
            }
        }
    }

    /// An average is a model file of its own, named by the manifest; without one it begins with the weights.
    @Test func averagesAreSavedBesideTheWeights() throws {
        try withTemporaryDirectory { run in
            let store = CheckpointStore(run: run)
            let example = try Example(offset: 1)
            let (kinds, moments) = ([Moment.first, .average], example.secondMoments.pointer)
            let with = try store.save(
                example.parameters.pointer, of: StoredModel(example.model, maskRatio: 0.6, normalisation: .imageNet),
                step: 2, samples: 16, kinds: kinds
            ) { UnsafePointer(moments + $1.offset) }
            let without = try example.save(to: store, step: 1)
            let files = ["manifest.json", "model.safetensors", "optimizer.safetensors"]
            #expect(try names(in: with) == ["average.safetensors"] + files)
            #expect(try names(in: without) == files)
            for (path, source) in [(with, moments), (without, example.parameters.pointer)] {
                let target = try OwnedBuffer<Float>(count: example.model.layout.bufferCount)
                try CheckpointStore.load(into: target.pointer, of: example.model, from: path, kinds: kinds) {
                    guard $0 == .average else { return }
                    let expected = UnsafeBufferPointer(start: source + $1.offset, count: $1.count)
                    #expect(Array(UnsafeBufferPointer(start: $2, count: $1.count)) == Array(expected))
                }
            }

            func file(_ path: String) throws -> String {
                try CheckpointStore.modelFile(at: path, weights: .average) { _ in }
            }
            #expect(try file(run) == "\(with)/average.safetensors" && file(with) == file(run))
            for (path, problem) in [(without, "holds no average"), ("\(with)/model.safetensors", "is one file")] {
                let failure = #expect(throws: Failure.self) { try file(path) }
                #expect(failure?.problem.contains(problem) == true)
            }
            let description = try CheckpointStore.description(ofModelFile: try file(with))
            #expect(description.model.configuration == example.model.configuration)
        }
    }

    @Test func nonFiniteParametersAreNotLoaded() throws {
        try withTemporaryDirectory { run in
            let example = try Example(offset: 1)
            let parameters = example.model.layout.parameters
            try #require(parameters.count > 3)
            example.parameters.pointer[parameters[3].offset] = .nan
            let path = try example.save(to: CheckpointStore(run: run), step: 1)
            #expect(throws: Failure.self) {
                try example.load(from: path)
            }
        }
    }

    @Test func oldCheckpointsAreRemovedAndCorruptOnesRenamed() throws {
        try withTemporaryDirectory { run in
            let store = CheckpointStore(run: run)
            let example = try Example(offset: 1)
            for step in 1...7 { try example.save(to: store, step: step) }
            func steps() -> [Int?] { store.paths().map(CheckpointStore.step(of:)) }
            store.prune(CheckpointRetention(last: nil))
            #expect(steps() == [1, 2, 3, 4, 5, 6, 7])
            store.prune(CheckpointRetention(last: 2, everySteps: 3))
            #expect(steps() == [3, 6, 7])
            let names = try (0..<2).map { _ in
                let newest = try #require(store.paths().last)
                let aside = store.setAside(newest)
                #expect(FileManager.default.fileExists(atPath: "\(aside)/manifest.json"))
                try example.save(to: store, step: 7)
                return (aside as NSString).lastPathComponent
            }
            #expect(names == ["damaged-step-0000000007", "damaged-step-0000000007-2"])
            #expect(steps() == [3, 6, 7])
        }
    }
}
