import Base
import CrateModel
import Foundation
import Optimizers
import Testing
import Training

@Suite struct OptimizerTests {
    private func layout() -> ParameterLayout {
        var layout = ParameterLayout()
        _ = layout.append("weight", [5, 4], initial: .constant(0))
        _ = layout.append("bias", [3], initial: .constant(0))
        return layout
    }

    /// The trained values after two updates with gradients `scale` sin(i); the second gradient is doubled.
    private func trained(scale: Double, clip: Double?) throws -> [Float] {
        let layout = layout()
        let optimizer = try Optimizer(layout, rule: .adamW(weightDecay: 0.1))
        let parameters = try OwnedBuffer<Float>(count: layout.bufferCount)
        let gradients = try OwnedBuffer<Float>(count: layout.bufferCount)
        for step in 0..<2 {
            for parameter in layout.parameters {
                for i in parameter.offset..<parameter.offset + parameter.count {
                    gradients.pointer[i] = Float(scale * Double(step + 1) * sin(Double(i)))
                }
            }
            var squares = 0.0
            optimizer.sumSquares(of: gradients.pointer, into: &squares)
            let scale = Optimizer.gradientScale(norm: squares.squareRoot(), clip: clip)
            optimizer.update(
                part: 0, of: parameters.pointer, gradients: gradients.pointer, step: step, rate: 0.01, scale: scale)
        }
        return layout.parameters.flatMap { parameter in
            (0..<parameter.count).map { parameters.pointer[parameter.offset + $0] }
        }
    }

    /// Gradients over the limit are scaled down to it, so doubling them gives the same update.
    @Test func gradientsAreClippedToTheirGlobalNorm() throws {
        let (clipped, larger) = (try trained(scale: 10, clip: 0.5), try trained(scale: 40, clip: 0.5))
        for (a, b) in zip(clipped, larger) { #expect(abs(a - b) <= 1e-6) }
        let free = try trained(scale: 10, clip: nil)
        #expect(zip(clipped, free).contains { abs($0 - $1) > 1e-4 }, "clipping changes the update")
    }

    /// Lion moves each parameter by the rate times the parameter's factor, and keeps one moment.
    @Test func ratesDifferByParameter() throws {
        let layout = layout()
        let optimizer = try Optimizer(layout, rule: .lion(Lion(weightDecay: 0))) { $0.name == "bias" ? 0.25 : 1 }
        let parameters = try OwnedBuffer<Float>(count: layout.bufferCount)
        let gradients = (0..<layout.bufferCount).map { $0 % 2 == 0 ? Float(1) : -1 }
        optimizer.update(part: 0, of: parameters.pointer, gradients: gradients, step: 0, rate: 0.5, scale: 1)
        for parameter in layout.parameters {
            for i in parameter.offset..<parameter.offset + parameter.count {
                let expected: Float = parameter.name == "bias" ? 0.125 : 0.5
                #expect(parameters.pointer[i] == (i % 2 == 0 ? -expected : expected))
            }
        }
        #expect(UpdateRule.lion(Lion(weightDecay: 0)).moments.count == 1)
        #expect((layout.bufferCount * 4...layout.bufferCount * 4 + 128).contains(optimizer.momentByteCount))
    }

    @Test func smallGradientsAreNotClipped() throws {
        #expect(try trained(scale: 1e-3, clip: 1) == trained(scale: 1e-3, clip: nil))
    }

    /// The average follows a naive one in Double, for any parts and threads; it changes places with the parameters and back.
    @Test(arguments: [1, 2])
    func averageFollowsTheParameters(threads: Int) throws {
        let (layout, decay) = (layout(), 0.7)
        let optimizer = try Optimizer(
            layout, rule: .adamW(weightDecay: 0.1), average: WeightAverage(decay: decay),
            parts: [16..<layout.bufferCount, 0..<16])
        let parameters = try OwnedBuffer<Float>(count: layout.bufferCount)
        let gradients = (0..<layout.bufferCount).map { sin(Float($0)) }
        for i in 0..<layout.bufferCount { parameters.pointer[i] = cos(Float(i)) }
        optimizer.startAverage(from: parameters.pointer)
        var expected = parameters.elements.map(Double.init)
        let team = ThreadTeam(count: threads)
        for step in 0..<40 {
            for part in optimizer.parts.indices {
                optimizer.update(
                    part: part, of: parameters.pointer, gradients: gradients, step: step, rate: 0.1, scale: 1, on: team)
            }
            let kept = min(decay, Double(1 + step) / Double(10 + step))
            for (i, value) in parameters.elements.enumerated() {
                expected[i] = kept * expected[i] + (1 - kept) * Double(value)
            }
        }
        let trained = Array(parameters.elements)
        optimizer.swapAverage(with: parameters.pointer)
        let averaged = Array(parameters.elements)
        #expect(averaged != trained)
        for parameter in layout.parameters {
            for i in parameter.offset..<parameter.offset + parameter.count {
                #expect(abs(Double(averaged[i]) - expected[i]) < 1e-5)
            }
        }
        optimizer.swapAverage(with: parameters.pointer)
        #expect(Array(parameters.elements) == trained)
    }
}

@Suite struct PretrainConfigurationTests {
    private func configuration(batch: Int, microBatch: Int, virtualRanks: Int = 2) throws -> TrainingConfiguration {
        TrainingConfiguration(
            model: try .init(imageSize: 32, patchSize: 8, dim: 48, depth: 1, heads: 3, normalisesTargets: true),
            batchSize: batch, virtualRanks: virtualRanks, microBatch: microBatch, precision: .fp32, wire: .fp32,
            schedule: LearningRate(peak: 1, warmupSteps: 0, totalSteps: 75), weightDecay: 0, clip: nil,
            maskRatio: 0.75, normalisation: .imageNet, seed: 0, sampleCount: 600)
    }

    @Test(arguments: [(33, 1, 2, 2), (32, 3, 2, 2), (32, 4, 2, 4), (32, 4, 3, 3), (32, 4, 6, 2), (32, 16, 4, 2)])
    func indivisibleBatchesAreRejected(batch: Int, microBatch: Int, virtualRanks: Int, ranks: Int) throws {
        let configuration = try configuration(batch: batch, microBatch: microBatch, virtualRanks: virtualRanks)
        #expect(throws: (any Error).self) { try configuration.samplesPerVirtualRank(ranks: ranks) }
    }

    @Test func batchIsDividedOverTheVirtualRanks() throws {
        #expect(try configuration(batch: 32, microBatch: 4).samplesPerVirtualRank(ranks: 2) == 16)
        #expect(try configuration(batch: 32, microBatch: 4, virtualRanks: 8).samplesPerVirtualRank(ranks: 2) == 4)
        let cuts = [(1, 1), (2, 1), (8, 4), (3, 1), (3, 3), (6, 2), (24, 8)]
        let areIndependent = try cuts.map { virtualRanks, ranks in
            try configuration(batch: 48, microBatch: 1, virtualRanks: virtualRanks).isIndependentOf(ranks: ranks)
        }
        #expect(areIndependent == [true, true, true, false, false, false, false])
    }

    @Test(arguments: [(32, 1, 4), (32, 2, 4), (12, 2, 6), (28, 2, 7), (2, 2, 1), (22, 1, 2)])
    func defaultMicroBatchDividesTheBatch(batch: Int, virtualRanks: Int, expected: Int) {
        let microBatch = TrainingConfiguration.defaultMicroBatch(
            batchSize: batch, virtualRanks: virtualRanks, threads: 1)
        #expect(microBatch == expected)
    }

    @Test(arguments: [
        (32, 2, 4), (32, 4, 4), (32, 3, 8), (32, 16, 16), (24, 3, 6), (24, 6, 6), (24, 16, 12), (30, 5, 5), (7, 16, 7),
        (14, 4, 7),
    ])
    func defaultMicroBatchKeepsThreadsBusy(samples: Int, threads: Int, expected: Int) {
        let microBatch = TrainingConfiguration.defaultMicroBatch(batchSize: samples, virtualRanks: 1, threads: threads)
        #expect(microBatch == expected)
    }
}
