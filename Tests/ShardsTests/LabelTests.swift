import Base
import Foundation
import Images
import Loader
import TestSupport
import Testing

@Suite struct LabelTests {
    /// Classes, targets and patches of the positions `positions`, in micro-batches of `size`.
    private func read(
        _ settings: LoaderSettings, _ positions: Range<Int>, size: Int, for purpose: SamplePurpose
    ) throws -> [(label: Int32, targets: [Float], patches: [Float])] {
        let loader = try BatchLoader(settings)
        loader.begin(
            BatchSequence(first: positions.lowerBound, size: size, stride: size, end: positions.upperBound),
            for: purpose)
        var samples: [(label: Int32, targets: [Float], patches: [Float])] = []
        while let batch = try loader.next() {
            try #require(batch.positions.count <= size)
            for slot in 0..<batch.positions.count {
                samples.append(
                    (
                        batch.labels[slot], (0..<3).map { batch.targets[slot * 3 + $0] },
                        (0..<3072).map { batch.patches[slot * 3072 + $0] }
                    ))
            }
        }
        return samples
    }

    private func withShards(_ body: (LoaderSettings) throws -> Void) throws {
        try withTemporaryDirectory { directory in
            _ = try makeSource("\(directory)/source")
            try shard("\(directory)/source", to: "\(directory)/shards", isStrict: true)
            try body(settings("\(directory)/shards"))
        }
    }

    private let everything = Augmentation(operations: 2, magnitude: 14, erasing: 0.5, mixup: 0.8, cutmix: 1)

    @Test func evaluationUsesOnlyTheLabels() throws {
        try withShards { settings in
            var settings = settings
            settings.labels = LabelSettings(classes: 3, smoothing: 0.1, augmentation: everything)
            let samples = try read(settings, 0..<9, size: 4, for: .evaluation)
            #expect(samples.map(\.label) == [0, 0, 0, 1, 1, 1, 2, 2, 2])
            for sample in samples { #expect(sample.targets == (0..<3).map { $0 == Int(sample.label) ? 1 : 0 }) }
        }
    }

    @Test func targetsAreSmoothedAndMixed() throws {
        try withShards { settings in
            var settings = settings
            settings.labels = LabelSettings(classes: 3, smoothing: 0.3)
            for sample in try read(settings, 0..<9, size: 9, for: .training) {
                for (index, target) in sample.targets.enumerated() {
                    #expect(abs(target - (index == Int(sample.label) ? 0.8 : 0.1)) < 1e-6)
                }
            }
            settings.labels = LabelSettings(classes: 3, smoothing: 0.3, augmentation: everything)
            let mixed = try read(settings, 0..<45, size: 9, for: .training)
            for sample in mixed {
                #expect(abs(sample.targets.reduce(0, +) - 1) < 1e-6 && sample.targets.min()! > 0.099)
            }
            #expect(mixed.contains { $0.targets.filter { $0 > 0.2 }.count == 2 })
        }
    }

    /// With all random draws, including the mixing partner: another division into micro-batches changes nothing.
    @Test func randomDrawsDoNotDependOnTheBatch() throws {
        try withShards { settings in
            var settings = settings
            settings.labels = LabelSettings(classes: 3, smoothing: 0.1, augmentation: everything)
            let (one, other) = (
                try read(settings, 0..<18, size: 9, for: .training), try read(settings, 0..<18, size: 2, for: .training)
            )
            try #require(one.count == 18 && other.count == 18)
            for (a, b) in zip(one, other) { #expect(a.patches == b.patches && a.targets == b.targets) }
            #expect(Set(one.map(\.patches)).count == 18)
            settings.labels?.augmentation = Augmentation()
            let plain = try read(settings, 0..<18, size: 9, for: .training)
            #expect(zip(one, plain).filter { $0.patches == $1.patches }.count < 3)
        }
    }

    @Test func samplesWithoutLabelAreRejected() throws {
        try withShards { settings in
            var settings = settings
            // The second shard has samples 4 to 7, of classes 1, 1, 2 and 2. The first of them loses its label.
            let path = "\(settings.path)/shard-00001.h5"
            var bytes = [UInt8](try Data(contentsOf: URL(fileURLWithPath: path)))
            let stored = [Int64(1), 1, 2, 2].withUnsafeBytes { [UInt8]($0) }
            let labels = try #require(bytes.firstRange(of: stored))
            bytes.replaceSubrange(labels.lowerBound..<labels.lowerBound + 8, with: [UInt8](repeating: 255, count: 8))
            try write(bytes, to: path)
            try editShard(1, of: settings.path) {
                $0["structure"] = nil
                $0["checksum"] = bytes.withUnsafeBytes { Checksum(of: $0).value }
            }
            settings.labels = LabelSettings(classes: 3)
            let problem = try failure(of: { _ = try read(settings, 0..<9, size: 3, for: .evaluation) }).problem
            #expect(problem.contains("sample 4 of") && problem.contains("has no label"))
            settings.labels = LabelSettings(classes: 4)
            #expect(try failure(of: { _ = try BatchLoader(settings) }).problem.contains("3 classes, the model 4"))
        }
    }
}
