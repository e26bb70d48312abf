import Buffers
import Checkpoints
import CrateModel
import Files
import Foundation
import TestSupport
import Testing

/// A small model's state with values that say where they belong.
private struct Example: ~Copyable {
    let model: MaskedAutoencoder
    let parameters: OwnedBuffer<Float>
    let firstMoments: OwnedBuffer<Float>
    let secondMoments: OwnedBuffer<Float>

    init(offset: Float) throws {
        let model = MaskedAutoencoder(
            try ModelConfiguration(
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

    var state: TrainingState {
        TrainingState(
            parameters: parameters.pointer, firstMoments: firstMoments.pointer, secondMoments: secondMoments.pointer)
    }

    /// The trained values of all three buffers.
    var values: [Float] {
        state.buffers.flatMap { buffer in
            model.layout.parameters.flatMap { parameter in (0..<parameter.count).map { buffer[parameter.offset + $0] } }
        }
    }
}

@Suite struct CheckpointStoreTests {
    @Test func theNewestCheckpointComesBack() throws {
        try withTemporaryDirectory { run in
            let store = CheckpointStore(run: run)
            let empty = store.newest { _ in }
            #expect(empty == nil)
            let (older, newer) = (5, 100_000)
            for (step, offset) in [(older, Float(1)), (newer, 2)] {
                let example = try Example(offset: offset)
                try store.save(
                    example.state, of: example.model, maskRatio: 0.6, normalisation: .imageNet, step: step,
                    samples: 8 * step)
            }
            let newest = try #require(store.newest { Issue.record($0) })
            #expect(newest.manifest.step == newer && newest.manifest.samples == 8 * newer)
            #expect(newest.path.hasSuffix("/checkpoints/step-0000100000"))
            let (loaded, expected) = (try Example(offset: 0).values, try Example(offset: 2).values)
            #expect(loaded != expected)
            let target = try Example(offset: 0)
            try CheckpointStore.load(target.state, of: target.model, from: newest.path)
            #expect(target.values == expected)
            let description = try CheckpointStore.description(ofModelFile: "\(newest.path)/model.safetensors")
            #expect(description.configuration == target.model.configuration && description.maskRatio == 0.6)
        }
    }

    @Test(arguments: ["model.safetensors", "optimizer.safetensors", "manifest.json"])
    func aDamagedCheckpointIsPassedOver(file: String) throws {
        try withTemporaryDirectory { run in
            let store = CheckpointStore(run: run)
            let example = try Example(offset: 1)
            try store.save(
                example.state, of: example.model, maskRatio: 0.6, normalisation: .imageNet, step: 1, samples: 8)
            let path =
                "\(try store.save(example.state, of: example.model, maskRatio: 0.6, normalisation: .imageNet, step: 2, samples: 16))/\(file)"
            var data = try Data(contentsOf: URL(fileURLWithPath: path))
            data[data.count / 2] ^= 0xFF
            try data.write(to: URL(fileURLWithPath: path))
            var reports: [Failure] = []
            let newest = store.newest { reports.append($0) }
            #expect(newest?.manifest.step == 1)
            #expect(reports.count == 1 && reports[0].problem.contains(file))
        }
    }

    @Test func aHalfWrittenCheckpointIsNotOne() throws {
        try withTemporaryDirectory { run in
            let store = CheckpointStore(run: run)
            let example = try Example(offset: 1)
            let path = try store.save(
                example.state, of: example.model, maskRatio: 0.6, normalisation: .imageNet, step: 3, samples: 8)
            try FileManager.default.moveItem(atPath: path, toPath: path + ".partial")
            let newest = store.newest { Issue.record($0) }
            #expect(newest == nil)
            // The leftover is no obstacle for writing the same step.
            try store.save(
                example.state, of: example.model, maskRatio: 0.6, normalisation: .imageNet, step: 3, samples: 8)
            #expect(store.paths() == [path])
            #expect(!FileManager.default.fileExists(atPath: path + ".partial"))
        }
    }

    @Test func parametersThatAreNotFiniteAreNotLoaded() throws {
        try withTemporaryDirectory { run in
            let example = try Example(offset: 1)
            example.parameters.pointer[example.model.layout.parameters[3].offset] = .nan
            let path = try CheckpointStore(run: run).save(
                example.state, of: example.model, maskRatio: 0.6, normalisation: .imageNet, step: 1, samples: 8)
            #expect(throws: Failure.self) {
                try CheckpointStore.load(example.state, of: example.model, from: path)
            }
        }
    }
}
