import Files
import Foundation
import Testing
import Training

func goldenPath(_ name: String) throws -> String {
    try #require(Bundle.module.path(forResource: "Golden/\(name)", ofType: "safetensors"))
}

@Suite struct GoldenTests {
    // Four images on three threads: parts of unequal size. On five: one without any.
    @Test(arguments: [("mae_normalised", 50), ("mae_pixels", 50), ("mae_one_head", 42)], [1, 2, 3, 5])
    func everyTensorIsReproduced(_ test: (name: String, kinds: Int), threads: Int) throws {
        let (name, kinds) = test
        let rows = try compareWithGoldenCase(at: try goldenPath(name), threads: threads)
        #expect(rows.count == kinds)
        for row in rows { #expect(row.worstError < 2e-6, "\(row.worstTensor)") }
    }

    /// One changed value must show: here the last of the file, which belongs to some `step.model` parameter.
    @Test func aChangedValueIsFound() throws {
        var bytes = [UInt8](try Data(contentsOf: URL(fileURLWithPath: try goldenPath("mae_one_head"))))
        bytes.replaceSubrange(bytes.count - 4..<bytes.count, with: withUnsafeBytes(of: Float(10)) { [UInt8]($0) })
        let path = NSTemporaryDirectory() + "changed-\(UUID().uuidString).safetensors"
        try Data(bytes).write(to: URL(fileURLWithPath: path))
        defer { try? FileManager.default.removeItem(atPath: path) }
        let worst = try compareWithGoldenCase(at: path).max { $0.worstError < $1.worstError }
        #expect(try #require(worst).worstError > 0.01)
        #expect(try #require(worst).worstTensor.hasPrefix("step.model."))
    }

    @Test func aCaseOfAnotherKindIsRefused() throws {
        let path = try goldenPath("classifier")
        #expect(throws: Failure.self) { try compareWithGoldenCase(at: path) }
    }
}

@Suite struct LearningRateTests {
    @Test func warmUpAndCosine() throws {
        let schedule = LearningRate(peak: 1e-3, warmupSteps: 3, totalSteps: 10)
        let rates = (0..<10).map(schedule.rate)
        #expect(rates[0] == 0)
        #expect(abs(rates[1] - 1e-3 / 3) < 1e-12)
        #expect(rates[3] == 1e-3)
        #expect(abs(rates[5] - 1e-3 / 2 * (1 + cos(2 * Double.pi / 7))) < 1e-12)
        #expect(zip(rates[3...], rates[4...]).allSatisfy { $0 > $1 })
    }

    @Test func epochsAreRoundedUpAndTheWarmUpIsATwentieth() throws {
        let schedule = try LearningRate(
            peak: 1, epochs: 4, steps: nil, warmupEpochs: nil, sampleCount: 601, batchSize: 32)
        #expect(schedule.totalSteps == 76)
        #expect(schedule.warmupSteps == 3)
    }

    @Test func aWarmUpAsLongAsTheRunIsRefused() {
        #expect(throws: Failure.self) {
            try LearningRate(peak: 1, epochs: 2, steps: nil, warmupEpochs: 2, sampleCount: 64, batchSize: 32)
        }
    }
}
