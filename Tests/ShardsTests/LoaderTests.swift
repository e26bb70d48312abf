import Files
import Foundation
import Images
import Shards
import TestSupport
import Testing

@Suite struct SamplerTests {
    @Test func everySampleComesOnceAnEpochInANewOrder() {
        var sampler = Sampler(count: 100, seed: 3)
        let positions = (0..<300).map { sampler.sample(at: $0) }
        for epoch in 0..<3 {
            let part = positions[epoch * 100..<(epoch + 1) * 100]
            #expect(part.allSatisfy { $0.epoch == epoch })
            #expect(Set(part.map(\.sample)) == Set(0..<100))
        }
        #expect(positions[0..<100].map(\.sample) != positions[100..<200].map(\.sample))
        // Any position, in any order, as after a resume.
        var other = Sampler(count: 100, seed: 3)
        for position in [250, 3, 199, 100] { #expect(other.sample(at: position) == positions[position]) }
    }
}

@Suite struct BatchLoaderTests {
    /// Nine images of 32 pixels in shards of four, in patches of 8.
    private func withLoader(_ body: (inout BatchLoader, [Image]) throws -> Void) throws {
        try withTemporaryDirectory { directory in
            let images = try makeSource("\(directory)/source")
            try shard("\(directory)/source", to: "\(directory)/shards", isStrict: true)
            var loader = try BatchLoader(
                path: "\(directory)/shards", imageSize: 32, patchSize: 8, maskRatio: 0.75, seed: 5, capacity: 9)
            try body(&loader, images)
        }
    }

    private func patches(_ loader: borrowing BatchLoader, _ slot: Int) -> [Float] {
        (0..<3072).map { loader.patches.pointer[slot * 3072 + $0] }
    }

    private func mask(_ loader: borrowing BatchLoader, _ slot: Int) -> [UInt8] {
        (0..<16).map { loader.mask.pointer[slot * 16 + $0] }
    }

    /// Stored at the model's size there is nothing to crop: evaluation sees the very pixels, normalised, in patches.
    @Test func evaluationSeesTheStoredPixels() throws {
        try withLoader { loader, images in
            try loader.loadEvaluation(samples: 0..<9)
            for sample in 0..<9 {
                let values = patches(loader, sample)
                for value in 0..<3072 {
                    let (patch, inside) = (value / 192, value % 192)
                    let (row, column) = (patch / 4 * 8 + inside / 24, patch % 4 * 8 + inside % 24 / 3)
                    let pixel = Float(images[sample].pixels[(row * 32 + column) * 3 + inside % 3]) / 255
                    let expected = (pixel - ImageNet.mean[inside % 3]) / ImageNet.deviation[inside % 3]
                    try #require(abs(values[value] - expected) < 1e-5)
                }
                #expect(mask(loader, sample).filter { $0 == 0 }.count == 4)
            }
            #expect(Set((0..<9).map { mask(loader, $0) }).count > 6)
        }
    }

    @Test func whatASampleGetsDependsOnEpochAndSampleAlone() throws {
        try withLoader { loader, _ in
            try loader.loadTraining(positions: 0..<9)
            let first = (0..<9).map { (patches(loader, $0), mask(loader, $0)) }
            // Other company, another slot: the same.
            try loader.loadTraining(positions: 4..<6)
            for slot in 0..<2 {
                #expect(patches(loader, slot) == first[4 + slot].0)
                #expect(mask(loader, slot) == first[4 + slot].1)
            }
            try loader.loadTraining(positions: 9..<18)
            #expect((0..<9).allSatisfy { slot in !first.contains { $0.0 == patches(loader, slot) } }, "new crops")
            #expect(Set((0..<9).map { mask(loader, $0) } + first.map(\.1)).count > 14, "new masks")
        }
    }

    @Test(arguments: [Double.nan, -1e30, 0, 1, 1e-17, 0.99, .infinity])
    func aRatioThatHidesNothingOrAllIsRefused(ratio: Double) throws {
        try withTemporaryDirectory { directory in
            _ = try makeSource("\(directory)/source")
            try shard("\(directory)/source", to: "\(directory)/shards", isStrict: true)
            #expect(throws: Failure.self) {
                _ = try BatchLoader(
                    path: "\(directory)/shards", imageSize: 32, patchSize: 8, maskRatio: ratio, seed: 5, capacity: 1
                ).count
            }
        }
    }
}
