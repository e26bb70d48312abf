import AllocationCounter
import Base
import Foundation
import Images
import Loader
import Shards
import Synchronization
import TestSupport
import Testing

/// One sample as delivered by a loader.
struct Sample: Equatable {
    let patches: [Float]
    let mask: [UInt8]
}

extension BatchLoader {
    /// The samples and substitutions of the positions `positions` in micro-batches of `size`, for images of 32 pixels and
    /// patches of 8.
    func samples(
        _ positions: Range<Int>, _ size: Int = 9, for purpose: SamplePurpose
    ) throws -> (samples: [Sample], substitutions: [Substitution]) {
        begin(
            BatchSequence(first: positions.lowerBound, size: size, stride: size, end: positions.upperBound),
            for: purpose)
        var (samples, substitutions): ([Sample], [Substitution]) = ([], [])
        while let batch = try next() {
            #expect(batch.positions.lowerBound == positions.lowerBound + samples.count)
            try #require(batch.positions.count <= size)
            for slot in 0..<batch.positions.count {
                samples.append(
                    Sample(
                        patches: (0..<3072).map { batch.patches[slot * 3072 + $0] },
                        mask: (0..<16).map { batch.mask[slot * 16 + $0] }))
            }
            substitutions += batch.substitutions
        }
        return (samples, substitutions)
    }
}

/// Settings for the shards of `shard(_:to:)`.
func settings(_ path: String, onCorruption: CorruptionPolicy = .stop) -> LoaderSettings {
    LoaderSettings(
        path: path, imageSize: 32, patchSize: 8, maskRatio: 0.75, seed: 5, capacity: 9, onCorruption: onCorruption)
}

@Suite struct BatchLoaderTests {
    /// Nine images of 32 pixels in shards of four, with patches of 8.
    private func withShards(_ body: (String, [Image]) throws -> Void) throws {
        try withTemporaryDirectory { directory in
            let images = try makeSource("\(directory)/source")
            try shard("\(directory)/source", to: "\(directory)/shards", isStrict: true)
            try body("\(directory)/shards", images)
        }
    }

    /// Images stored at the input size are not cropped: evaluation uses exactly the stored pixels, normalised, in patches.
    @Test(arguments: [Normalisation.imageNet, try? Normalisation(mean: [0.1, 0.5, 0.9], deviation: [0.2, 1, 0.5])])
    func evaluationUsesTheStoredPixels(normalisation: Normalisation?) throws {
        let normalisation = try #require(normalisation)
        try withShards { path, images in
            var settings = settings(path)
            settings.normalisation = normalisation
            let (samples, _) = try BatchLoader(settings).samples(0..<9, for: .evaluation)
            try #require(samples.count == 9)
            for (sample, image) in zip(samples, images) {
                for value in 0..<3072 {
                    let (patch, inside) = (value / 192, value % 192)
                    let (row, column) = (patch / 4 * 8 + inside / 24, patch % 4 * 8 + inside % 24 / 3)
                    let pixel = Double(image.pixels[(row * 32 + column) * 3 + inside % 3]) / 255
                    let expected = (pixel - normalisation.mean[inside % 3]) / normalisation.deviation[inside % 3]
                    try #require(abs(Double(sample.patches[value]) - expected) < 1e-5)
                }
                #expect(sample.mask.filter { $0 == 0 }.count == 4)
            }
            #expect(Set(samples.map(\.mask)).count > 6)
        }
    }

    @Test func randomDrawsDependOnlyOnEpochAndSample() throws {
        try withShards { path, _ in
            let loader = try BatchLoader(settings(path))
            let first = try loader.samples(0..<9, for: .training).samples
            try #require(first.count == 9)
            // Different batch, slot and loader, same result.
            #expect(try loader.samples(4..<6, for: .training).samples == Array(first[4..<6]))
            #expect(try loader.samples(0..<9, 2, for: .training).samples == first)
            #expect(try BatchLoader(settings(path)).samples(3..<9, 1, for: .training).samples == Array(first[3...]))
            let second = try loader.samples(9..<18, for: .training).samples
            #expect(second.allSatisfy { sample in !first.contains { $0.patches == sample.patches } }, "new crops")
            #expect(Set((first + second).map(\.mask)).count > 14, "new masks")
        }
    }

    /// Positions stand for the chosen samples in an evaluation, in the given order.
    @Test func chosenSamplesAreEvaluated() throws {
        try withShards { path, _ in
            let all = try BatchLoader(settings(path)).samples(0..<9, for: .evaluation).samples
            var settings = settings(path)
            settings.samples = [5, 2, 8]
            let loader = try BatchLoader(settings)
            #expect(loader.count == 3)
            #expect(try loader.samples(0..<3, 2, for: .evaluation).samples == [all[5], all[2], all[8]])
        }
    }

    @Test(arguments: [Double.nan, -1e30, 0, 1, 1e-17, 0.99, .infinity])
    func invalidMaskRatioIsRejected(ratio: Double) throws {
        try withShards { path, _ in
            var settings = settings(path)
            settings.maskRatio = ratio
            #expect(throws: Failure.self) { try BatchLoader(settings) }
        }
    }

    /// Originals of different sizes are cropped from the whole image; evaluation uses the centre of the resized image.
    @Test func jpegShardsAreReadByTheSameLoader() throws {
        try withTemporaryDirectory { directory in
            var images: [Image] = []
            for (number, side) in [(0, 32), (1, 50), (2, 200), (3, 20)] {
                let file = try JPEGEncoder.encode(
                    Drawing.image(number: number, label: 0, side: side, seed: 1), quality: 95)
                try write(file, to: "\(directory)/source/ape/\(number).jpg")
                images.append(try ImageDecoder.decode(file))
            }
            try Sharding.run(
                source: ShardSource("\(directory)/source"), output: "\(directory)/shards",
                options: ShardingOptions(.originalJPEG(quality: 95), shardSize: 3))
            let loader = try BatchLoader(settings("\(directory)/shards"))
            let evaluated = try loader.samples(0..<4, 3, for: .evaluation).samples
            try #require(evaluated.count == 4)
            var resampler = try Resampler()
            for (sample, image) in zip(evaluated, images) {
                let framing = Framing.evaluation(width: image.width, height: image.height, side: 32)
                let expected = try resampler.resample(image, framing: framing).pixels
                try #require(expected.count == 3072)
                for value in 0..<3072 {
                    let (patch, inside) = (value / 192, value % 192)
                    let (row, column) = (patch / 4 * 8 + inside / 24, patch % 4 * 8 + inside % 24 / 3)
                    let pixel = Double(expected[(row * 32 + column) * 3 + inside % 3]) / 255
                    let level =
                        (pixel - Normalisation.imageNet.mean[inside % 3]) / Normalisation.imageNet.deviation[inside % 3]
                    // The loader does not round the last pass to integers.
                    try #require(abs(Double(sample.patches[value]) - level) < 0.51 / 255 / 0.224)
                }
            }
            let first = try loader.samples(0..<8, for: .training).samples
            try #require(first.count == 8)
            #expect(try loader.samples(0..<8, 3, for: .training).samples == first)
            #expect(first[0].patches != first[4].patches)
        }
    }
}

/// Read-ahead. Tests wait for events, never for a fixed time; the time limit only ends hanging tests.
@Suite(.timeLimit(.minutes(1))) struct PrefetchTests {
    /// A loader over nine images that calls `beforeSample` before each one, and the number of samples started.
    private func withLoader(
        delay: UInt32 = 0, _ body: (BatchLoader, borrowing Atomic<Int>) throws -> Void
    ) throws {
        try withTemporaryDirectory { directory in
            _ = try makeSource("\(directory)/source")
            try shard("\(directory)/source", to: "\(directory)/shards", isStrict: true)
            let counter = Counter()
            var settings = settings("\(directory)/shards")
            settings.beforeSample = {
                if delay > 0 { usleep(delay) }
                counter.value.add(1, ordering: .sequentiallyConsistent)
            }
            try body(try BatchLoader(settings), counter.value)
        }
    }

    private final class Counter: Sendable {
        let value = Atomic<Int>(0)
    }

    private func wait(until condition: () -> Bool) { while !condition() { usleep(200) } }

    /// Memory is bounded: if no batch is taken, reading stops when all slots are full.
    @Test func readingStopsWhenTheRingIsFull() throws {
        try withLoader { loader, begun in
            loader.begin(BatchSequence(first: 0, size: 2, stride: 2, end: 1 << 40), for: .training)
            wait { loader.readyCount == 4 }
            usleep(50_000)
            #expect(begun.load(ordering: .sequentiallyConsistent) == 8)
            // The taken batch is still in use; only releasing it allows another one to be read.
            _ = try loader.next()
            #expect(loader.readyCount == 3)
            usleep(50_000)
            #expect(begun.load(ordering: .sequentiallyConsistent) == 8)
            _ = try loader.next()
            wait { loader.readyCount == 3 }
            #expect(begun.load(ordering: .sequentiallyConsistent) == 10)
        }
    }

    /// A slow disk overlaps with computing: the next micro-batch is read while the current one is in use. It is ready
    /// when it is requested. Computing here lasts until that batch has been read, so it takes longer than the delay.
    @Test func slowReadOverlapsWithComputing() throws {
        try withLoader(delay: 3000) { loader, _ in
            loader.begin(BatchSequence(first: 0, size: 3, stride: 3, end: 60), for: .training)
            var taken = 0
            while let batch = try loader.next() {
                #expect(batch.positions == taken * 3..<taken * 3 + 3)
                taken += 1
                guard taken < 20 else { continue }
                let before = batch.patches[0]
                wait { loader.readyCount > 0 }
                #expect(batch.patches[0] == before, "reading ahead does not change the batch in use")
            }
            #expect(taken == 20)
            #expect(try loader.next() == nil)
        }
    }

    @Test func newSequenceReplacesTheOldOne() throws {
        try withLoader(delay: 500) { loader, _ in
            let whole = try loader.samples(0..<18, 3, for: .training).samples
            try #require(whole.count == 18)
            for start in 0..<9 {
                loader.begin(BatchSequence(first: 0, size: 2, stride: 2, end: 1 << 40), for: .training)
                if start % 3 > 0 { _ = try loader.next() }
                #expect(
                    try loader.samples(start..<start + 9, 3, for: .training).samples == Array(whole[start..<start + 9]))
            }
        }
    }

    @Test func failureIsThrownForTheBatchThatNeedsTheSample() throws {
        try withLoader { loader, _ in
            // Evaluation numbers the samples directly: 9 is past the end.
            loader.begin(BatchSequence(first: 0, size: 3, stride: 3, end: 12), for: .evaluation)
            for _ in 0..<3 { #expect(try loader.next() != nil) }
            for _ in 0..<2 {
                let failure = try failure { _ = try loader.next() }
                #expect(failure.problem.contains("no sample 9"))
            }
            // Earlier requests do not affect later ones.
            #expect(try loader.samples(0..<9, for: .evaluation).samples.count == 9)
        }
    }

    /// Once all shards are open and scratch memory has its final size, reading allocates nothing.
    @Test func readingAllocatesNothingAfterTheStart() throws {
        try withTemporaryDirectory { directory in
            _ = try makeSource("\(directory)/source")
            try shard("\(directory)/source", to: "\(directory)/shards", isStrict: true)
            let allocations = Counter()
            let samples = Counter()
            var settings = settings("\(directory)/shards")
            // Called on the reading thread, where allocations are counted.
            settings.beforeSample = {
                if samples.value.add(1, ordering: .relaxed).oldValue == 900 { count_allocations(true) }
                allocations.value.store(counted_allocations(), ordering: .relaxed)
            }
            let loader = try BatchLoader(settings)
            loader.begin(BatchSequence(first: 0, size: 9, stride: 9, end: 1800), for: .training)
            while try loader.next() != nil {}
            #expect(samples.value.load(ordering: .relaxed) == 1800)
            #expect(allocations.value.load(ordering: .relaxed) == 0)
        }
    }
}
