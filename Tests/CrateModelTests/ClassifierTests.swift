import Base
import CrateModel
import Foundation
import Kernels
import Testing

private func configuration(
    _ architecture: Architecture = .crate, _ form: ClassifierForm, _ pooling: Pooling, image: Int = 24,
    classes: Int = 5
) throws -> ClassifierConfiguration {
    let model = try ModelConfiguration(
        architecture, imageSize: image, patchSize: 8, dim: 24, depth: 2, heads: 3, lambda: 0.1, normalisesTargets: false
    )
    return try ClassifierConfiguration(model, form: form, pooling: pooling, classes: classes)
}

/// A classifier for five images, and a batch with mixed targets.
private struct Example: ~Copyable {
    let replica: Replica
    let patches: [Float]
    let targets: [Float]
    let images = 5

    init(_ configuration: ClassifierConfiguration, threads: Int = 1, precision: Precision = .fp32) throws {
        let (model, images) = (try Model(configuration), 5)
        let replica = try Replica(
            model, images: images, precision: precision, team: ThreadTeam(count: threads), isTrained: true)
        replica.initialise(seed: 3)
        // With the default head (2e-5), the gradients of the other layers would vanish.
        for parameter in model.layout.parameters where parameter.name == "head.weight" {
            for i in 0..<parameter.count { replica.parameters.pointer[parameter.offset + i] = sin(Float(i)) / 4 }
        }
        let encoder = configuration.encoder
        patches = (0..<images * encoder.patchCount * encoder.patchValueCount).map { sin(Float($0 * $0 % 9973)) }
        targets = (0..<images * configuration.classes).map { [0.7, 0, 0, 0.2, 0.1][$0 % 5] }
        self.replica = replica
    }

    borrowing func withBatch(_ body: (PatchBatch) -> Void) {
        patches.withUnsafeBufferPointer { patches in
            targets.withUnsafeBufferPointer { targets in
                body(
                    PatchBatch(
                        patches: patches.baseAddress!, mask: nil, targets: targets.baseAddress!, images: images))
            }
        }
    }

    /// The sum of the losses, and its gradient if `isBackward`; in two passes if `isSplit`.
    borrowing func pass(isBackward: Bool = false, isSplit: Bool = false) -> Double {
        replica.parametersChanged()
        var loss = 0.0
        withBatch { batch in
            for number in 0...(isSplit ? 1 : 0) {
                replica.forward(batch)
                replica.loss(batch, gradientScale: isBackward ? 1 : nil)
                loss += replica.imageLosses.reduce(0, +)
                guard isBackward else { continue }
                if isSplit && number == 0 { replica.backward(batch) } else { replica.completeBackward(batch) }
            }
        }
        return loss
    }
}

@Suite struct ClassifierTests {
    /// Published parameter counts for 1,000 classes and patches of 16 pixels; of CRATE-alpha's two largest and ViT-H, 14.
    @Test(
        arguments: [
            (Architecture.crate, [6_090_856, 13_116_328, 22_796_008, 77_641_192]),
            (.crateAlpha, [4_811_944, 40_975_912, 72_328_936, 253_650_920, 526_819_560]),
            (.vit, [5_717_416, 22_050_664, 86_567_656, 304_326_632, 632_045_800]),
        ])
    func sizesHaveTheirPublishedParameterCounts(architecture: Architecture, published: [Int]) throws {
        for (size, published) in zip(ModelSize.allCases, published) {
            try expectCount(published, architecture, size)
        }
        #expect(Architecture.crate.extents(.huge) == nil)
    }

    private func expectCount(_ published: Int, _ architecture: Architecture, _ size: ModelSize) throws {
        let (dim, depth, heads) = try #require(architecture.extents(size))
        let isFine = size == .huge || architecture == .crateAlpha && size == .large
        let model = try ModelConfiguration(
            architecture, imageSize: 224, patchSize: isFine ? 14 : 16, dim: dim, depth: depth, heads: heads,
            normalisesTargets: false)
        let classifier = try Model(
            ClassifierConfiguration(model, form: .supervised, pooling: .classToken, classes: 1000))
        #expect(classifier.layout.parameterCount == published, "\(architecture) \(size)")
    }

    /// For each parameter tensor, the loss changes along the gradient as predicted by the gradient's norm.
    @Test(arguments: Architecture.allCases, ClassifierForm.allCases)
    func gradientMatchesFiniteDifferences(architecture: Architecture, form: ClassifierForm) throws {
        for pooling in Pooling.allCases { try expectGradients(try configuration(architecture, form, pooling)) }
    }

    private func expectGradients(_ configuration: ClassifierConfiguration) throws {
        let example = try Example(configuration)
        _ = example.pass(isBackward: true)
        let (values, gradients) = (example.replica.parameters.pointer, example.replica.gradients.pointer)
        for parameter in example.replica.model.layout.parameters {
            let range = parameter.offset..<parameter.offset + parameter.count
            let norm = range.reduce(0.0) { $0 + Double(gradients[$1] * gradients[$1]) }.squareRoot()
            try #require(norm > 1e-4, "\(parameter.name)")
            let before = range.map { values[$0] }
            func moved(_ length: Double) -> Double {
                for (i, value) in zip(range, before) { values[i] = value + gradients[i] * Float(length / norm) }
                return example.pass()
            }
            // A small step, so that ISTA's codes do not change sign.
            let difference = (moved(3e-5) - moved(-3e-5)) / 6e-5
            for (i, value) in zip(range, before) { values[i] = value }
            #expect(abs(difference - norm) < 0.02 * norm + 0.02, "\(parameter.name): \(difference) \(norm)")
        }
    }

    /// A pass that is not the last adds the same gradient as the last pass, with any number of threads.
    @Test(arguments: Architecture.allCases, [1, 3, 7])
    func twoPassesGiveTwiceTheGradient(architecture: Architecture, threads: Int) throws {
        for form in ClassifierForm.allCases {
            try expectTwice(try configuration(architecture, form, .mean), threads: threads)
        }
    }

    private func expectTwice(_ configuration: ClassifierConfiguration, threads: Int) throws {
        let example = try Example(configuration, threads: threads)
        let reference = try Example(configuration)
        let (loss, expected) = (example.pass(isBackward: true, isSplit: true), reference.pass(isBackward: true))
        #expect(abs(loss / expected - 2) < 1e-6)
        let largest = reference.replica.gradients.elements.map(abs).max() ?? 0
        for (sum, single) in zip(example.replica.gradients.elements, reference.replica.gradients.elements) {
            #expect(abs(sum - 2 * single) < 2e-5 * largest)
        }
    }

    @Test func gradientsBecomeReadyFromTheEnd() throws {
        let example = try Example(try configuration(.crate, .supervised, .classToken), threads: 2)
        _ = example.pass()
        var positions: [Int] = []
        example.withBatch { batch in
            example.replica.loss(batch, gradientScale: 1)
            example.replica.completeBackward(batch) { positions.append($0) }
        }
        #expect(positions.count == 3 && positions.last == 0 && positions == positions.sorted(by: >))
        let layers = example.replica.model.layout.parameters.map {
            example.replica.model.layer(ofParameterAt: $0.offset)
        }
        #expect(layers == layers.sorted() && Set(layers) == [0, 1, 2, 3])
    }

    @Test func invalidClassifierIsRejected() throws {
        #expect(throws: Failure.self) { try configuration(.crate, .supervised, .mean, classes: 1) }
        #expect(throws: Failure.self) { try configuration(.crate, .supervised, .mean, image: 25) }
    }
}
