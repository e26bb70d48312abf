import Base
import Checkpoints
import CrateModel
import Foundation
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
