import Base
import Checkpoints
import CrateModel
import Foundation
import TestSupport
import Testing

/// Randomly changed checkpoints: each is rejected with the file and the reason, and never read as something else.
@Suite struct MutationTests {
    private let names = ["model.safetensors", "optimizer.safetensors", "manifest.json"]

    private func model(dim: Int) throws -> Model {
        try Model(
            ModelConfiguration(imageSize: 16, patchSize: 8, dim: dim, depth: 1, heads: 2, normalisesTargets: true))
    }

    private func save(_ model: Model, step: Int, to store: CheckpointStore) throws -> String {
        let values = try OwnedBuffer<Float>(count: model.layout.bufferCount)
        for i in 0..<values.count { values.pointer[i] = Float(i % 1000 + step) }
        return try store.save(
            values.pointer, of: StoredModel(model, maskRatio: 0.75, normalisation: .imageNet), step: step,
            samples: 8 * step
        ) {
            UnsafePointer(values.pointer + $1.offset)
        }
    }

    /// Changes a file of the newer checkpoint, or its directory. Returns a description of the change.
    private func mutate(_ newer: String, older: String, other: String, _ random: inout KeyedGenerator) throws -> String
    {
        let files = FileManager.default
        let name = names[Int(random.next() % 3)]
        let path = "\(newer)/\(name)"
        var data = try Data(contentsOf: URL(fileURLWithPath: path))
        try #require(!data.isEmpty, "\(path)")
        switch random.next() % 8 {
        case 0, 1, 2:
            let bit = Int(random.next() % UInt64(8 * data.count))
            data[bit / 8] ^= 1 << UInt8(bit % 8)
            try data.write(to: URL(fileURLWithPath: path))
            return "bit \(bit) of \(name)"
        case 3:
            let count = Int(random.next() % UInt64(data.count))
            try data.prefix(count).write(to: URL(fileURLWithPath: path))
            return "\(name) cut to \(count) bytes"
        case 4:
            try files.removeItem(atPath: path)
            return "\(name) removed"
        case 5:
            try files.removeItem(atPath: path)
            try files.copyItem(atPath: "\(older)/\(name)", toPath: path)
            return "\(name) of another step"
        case 6:
            try files.removeItem(atPath: newer)
            try files.copyItem(atPath: random.next() % 2 == 0 ? older : other, toPath: newer)
            return "another checkpoint under this name"
        default:
            data += Data((0..<1 + random.next() % 64).map { _ in UInt8(truncatingIfNeeded: random.next()) })
            try data.write(to: URL(fileURLWithPath: path))
            return "\(name) made longer"
        }
    }

    @Test func thousandMutationsAreRejected() throws {
        try withTemporaryDirectory { directory in
            let (model, stranger) = (try model(dim: 8), try model(dim: 16))
            let store = CheckpointStore(run: directory)
            let older = try save(model, step: 1, to: store)
            let newer = try save(model, step: 2, to: store)
            let other = try save(stranger, step: 2, to: CheckpointStore(run: "\(directory)/other"))
            let target = try OwnedBuffer<Float>(count: model.layout.bufferCount)
            var random = KeyedGenerator(seed: 11, .augmentation, 0, 0)
            var outcomes: [String: Int] = [:]
            try FileManager.default.copyItem(atPath: newer, toPath: "\(directory)/sound")
            for _ in 0..<1000 {
                let what = try mutate(newer, older: older, other: other, &random)
                var reasons: [Failure] = []
                let newest = try #require(store.newest { reports, failure in reasons.append(failure) }, "\(what)")
                if newest.path == newer {
                    // A complete file with the right name, but of another model: loading reports it.
                    let failure = #expect(throws: Failure.self, "\(what)") {
                        try CheckpointStore.load(into: target.pointer, of: model, from: newer) {
                            _, _, _ in
                        }
                    }
                    #expect(failure?.problem.contains(newer) == true, "\(what)")
                    outcomes["rejected when loaded", default: 0] += 1
                } else {
                    #expect(newest.path == older && newest.manifest.step == 1, "\(what)")
                    #expect(reasons.count == 1 && reasons[0].problem.contains(newer), "\(what): \(reasons)")
                    outcomes["passed over", default: 0] += 1
                }
                try FileManager.default.removeItem(atPath: newer)
                try FileManager.default.copyItem(atPath: "\(directory)/sound", toPath: newer)
            }
            #expect(outcomes.values.reduce(0, +) == 1000)
            print("1000 mutated checkpoints: \(outcomes)")
        }
    }

    /// The header without a checksum: either an error, or the file is unchanged.
    @Test func mutatedHeadersAreRejectedOrHarmless() throws {
        try withTemporaryDirectory { directory in
            let path = try save(try model(dim: 8), step: 1, to: CheckpointStore(run: directory)) + "/model.safetensors"
            let sound = try Data(contentsOf: URL(fileURLWithPath: path))
            try #require(sound.count > 8)
            let headerBytes = sound.withUnsafeBytes { Int(clamping: $0.loadUnaligned(as: UInt64.self)) }
            try #require(headerBytes <= sound.count - 8)
            let reader = try SafetensorsReader(path: path)
            let shapes = reader.tensors.mapValues(\.shape)
            var random = KeyedGenerator(seed: 12, .augmentation, 0, 0)
            var (refused, harmless) = (0, 0)
            for _ in 0..<1000 {
                var data = sound
                for _ in 0...random.next() % 3 {
                    let bit = Int(random.next() % UInt64(8 * (8 + headerBytes)))
                    data[bit / 8] ^= 1 << UInt8(bit % 8)
                }
                try data.write(to: URL(fileURLWithPath: path))
                do {
                    let reader = try SafetensorsReader(path: path)
                    // Only a name or the metadata changed; every tensor is still inside the file.
                    #expect(reader.tensors.values.allSatisfy { $0.range.upperBound <= sound.count - 8 - headerBytes })
                    for (name, entry) in reader.tensors where shapes[name] == entry.shape {
                        _ = try reader.values(name)
                    }
                    harmless += 1
                } catch let failure as Failure {
                    #expect(failure.problem.contains(path))
                    refused += 1
                }
            }
            #expect(refused + harmless == 1000 && refused > 0)
            print("1000 mutated headers: \(refused) rejected, \(harmless) harmless")
        }
    }

    /// A tensor after the first four GiB of a sparse file.
    @Test func fileOfMoreThanFourGibibytesIsRead() throws {
        try withTemporaryDirectory { directory in
            let path = "\(directory)/large.safetensors"
            let large = 1_200_000_000
            let header = """
                {"large":{"dtype":"F32","shape":[\(large)],"data_offsets":[0,\(4 * large)]},\
                "last":{"dtype":"F32","shape":[2],"data_offsets":[\(4 * large),\(4 * large + 8)]}}
                """
            let start = withUnsafeBytes(of: UInt64(header.utf8.count).littleEndian) { Data($0) } + Data(header.utf8)
            try start.write(to: URL(fileURLWithPath: path))
            let handle = try #require(FileHandle(forWritingAtPath: path))
            try handle.seek(toOffset: UInt64(start.count + 4 * large))
            try handle.write(contentsOf: [Float(1.5), -2].withUnsafeBytes { Data($0) })
            try handle.close()
            let reader = try SafetensorsReader(path: path)
            var values: [Float] = [0, 0]
            try reader.read("last", shape: [2], into: &values)
            #expect(values == [1.5, -2])
        }
    }
}
