import Base
import CrateModel
import Foundation
import Kernels
import Testing

@Suite struct ModelConfigurationTests {
    /// Published counts include both position tables and `decoder_embed`, which are not used in the computation.
    @Test(arguments: zip(ModelSize.allCases, [11_555_328, 25_405_824, 44_638_464, 154_274_560]))
    func sizesHaveTheirPublishedParameterCounts(size: ModelSize, published: Int) throws {
        let (dim, depth, heads) = try #require(Architecture.crate.extents(size))
        let configuration = try ModelConfiguration(
            imageSize: 224, patchSize: 16, dim: dim, depth: depth, heads: heads, normalisesTargets: true)
        let model = try Model(configuration)
        let unused = 2 * configuration.tokenCount * dim + dim * dim + dim
        #expect(model.layout.parameterCount + unused == published)
    }

    /// Without the position tables. Meta's ViT-MAE base, and that with the decoder of the CRATE authors' comparison.
    @Test(arguments: zip([512, 768], [111_655_680, 143_533_824]))
    func vitHasItsPublishedParameterCounts(width: Int, published: Int) throws {
        let configuration = try ModelConfiguration(
            .vit, imageSize: 224, patchSize: 16, dim: 768, depth: 12, heads: 12,
            decoder: DecoderExtents(dim: width, heads: 16), normalisesTargets: true)
        #expect(configuration.decoderDepth == 8)
        let model = try Model(configuration)
        #expect(model.layout.parameterCount == published)
    }

    /// GFLOP of a training image at 224 pixels, 49 of 196 patches visible.
    @Test(
        arguments: [
            (Architecture.crate, ModelSize.small, 38.8), (.crate, .base, 66.4), (.vit, .small, 38.8),
            (.vit, .base, 58.2),
        ])
    func operationsAreThosePublished(architecture: Architecture, size: ModelSize, published: Double) throws {
        let (dim, depth, heads) = try #require(architecture.extents(size))
        let model = try Model(
            ModelConfiguration(
                architecture, imageSize: 224, patchSize: 16, dim: dim, depth: depth, heads: heads,
                normalisesTargets: true))
        let counts = try model.operations(visible: 49)
        #expect(abs(counts.nominal * 1e-9 - published) < 0.6, "\(counts.nominal)")
    }

    @Test func invalidSizesAreRejected() throws {
        func make(
            _ architecture: Architecture = .crate, image: Int = 32, patch: Int = 8, dim: Int = 48, depth: Int = 2,
            heads: Int = 3, decoder: DecoderExtents? = nil, positionGrid: Int? = nil
        ) throws {
            _ = try ModelConfiguration(
                architecture, imageSize: image, patchSize: patch, dim: dim, depth: depth, heads: heads,
                decoder: decoder, normalisesTargets: true, positionGrid: positionGrid)
        }
        try make()
        #expect(throws: Failure.self) { try make(image: 33) }
        #expect(throws: Failure.self) { try make(patch: 0) }
        #expect(throws: Failure.self) { try make(dim: 50, heads: 5) }
        #expect(throws: Failure.self) { try make(heads: 5) }
        #expect(throws: Failure.self) { try make(depth: 0) }
        #expect(throws: Failure.self) { try make(image: 1 << 40) }
        #expect(throws: Failure.self) { try make(positionGrid: .max) }
        #expect(throws: Failure.self) { try make(patch: .max, positionGrid: 2) }
        try make(.vit, decoder: DecoderExtents(dim: 32, heads: 2))
        #expect(throws: Failure.self) { try make(.vit, decoder: DecoderExtents(dim: 32, heads: 3)) }
        #expect(throws: Failure.self) { try make(.vit, decoder: DecoderExtents(dim: 1 << 20, heads: 2)) }
        #expect(throws: Failure.self) { try make(.tost, decoder: DecoderExtents(dim: 32, heads: 2)) }
    }
}

@Suite struct ParameterLayoutTests {
    @Test(arguments: Architecture.allCases)
    func parametersAreAlignedAndDoNotOverlap(architecture: Architecture) throws {
        let model = try Model(
            ModelConfiguration(
                architecture, imageSize: 30, patchSize: 5, dim: 20, depth: 2, decoderDepth: 1, heads: 5,
                normalisesTargets: false))
        var end = 0
        for parameter in model.layout.parameters {
            #expect(parameter.offset >= end && parameter.offset % 16 == 0)
            end = parameter.offset + parameter.count
            #expect(parameter.decays == (parameter.shape.count > 1 && !parameter.name.hasSuffix(".temp")))
        }
        #expect(model.layout.bufferCount >= end)
        #expect(Set(model.layout.parameters.map(\.name)).count == model.layout.parameters.count)
        let undecayed = model.layout.parameters.filter { !$0.decays }.map(\.name)
        #expect(
            undecayed.allSatisfy { name in
                name.hasSuffix(".bias") || name.hasSuffix(".temp") || name.contains("norm") && name.hasSuffix(".weight")
            })
    }

    @Test func initialValuesFollowTheirRules() throws {
        let model = try Model(
            ModelConfiguration(
                imageSize: 32, patchSize: 8, dim: 96, depth: 1, heads: 3, normalisesTargets: true))
        let buffer = try OwnedBuffer<Float>(count: model.layout.bufferCount)
        model.layout.initialise(buffer.pointer, seed: 4)
        for parameter in model.layout.parameters {
            let values = (0..<parameter.count).map { Double(buffer.pointer[parameter.offset + $0]) }
            let deviation = (values.reduce(0) { $0 + $1 * $1 } / Double(values.count)).squareRoot()
            switch parameter.initial {
            case .constant(let value):
                #expect(values.allSatisfy { $0 == Double(value) })
            case .uniform(let bound):
                #expect(values.allSatisfy { abs($0) <= bound })
                #expect(abs(deviation / (bound / 3.0.squareRoot()) - 1) < 0.2, "\(parameter.name)")
            case .normal(let expected):
                #expect(abs(deviation / expected - 1) < 0.3, "\(parameter.name)")
            }
        }
    }
}

/// An autoencoder of `architecture`, whose ViT has a decoder of another width.
private func autoencoder(_ architecture: Architecture) throws -> Model {
    try Model(
        ModelConfiguration(
            architecture, imageSize: 24, patchSize: 8, dim: 20, depth: 2, heads: 5,
            decoder: architecture == .vit ? DecoderExtents(dim: 12, heads: 2) : nil, normalisesTargets: true))
}

@Suite struct ReplicaTests {
    /// Threads are at different layers at the same time; what one writes must not be what another reads.
    @Test(arguments: Architecture.allCases, Precision.allCases)
    func bitsDoNotDependOnThreads(_ architecture: Architecture, _ precision: Precision) throws {
        let model = try autoencoder(architecture)
        let patches = (0..<4 * 9 * 192).map { sin(Float($0)) }
        let mask: [UInt8] = (0..<36).map { $0 % 9 < 6 ? 1 : 0 }

        func gradients(in replica: borrowing Replica) -> [Float] {
            replica.clearGradients()
            patches.withUnsafeBufferPointer { patches in
                mask.withUnsafeBufferPointer { mask in
                    let batch = PatchBatch(patches: patches.baseAddress!, mask: mask.baseAddress!, images: 4)
                    replica.forward(batch)
                    replica.loss(batch, gradientScale: 0.1)
                    replica.completeBackward(batch)
                }
            }
            return Array(replica.gradients.elements)
        }

        var expected: [Float] = []
        for threads in 1...5 {
            let replica = try Replica(
                model, images: 4, visible: 3, precision: precision, team: ThreadTeam(count: threads), isTrained: true)
            replica.initialise(seed: 1)
            for _ in 0..<20 {
                let found = gradients(in: replica)
                if expected.isEmpty { expected = found }
                let isEqual = found == expected  // an expectation of the arrays would print them
                try #require(isEqual, "\(threads) threads")
            }
        }
    }

    /// After a full batch, with another number of visible patches, a smaller batch gives the same result as alone: no state is left from
    /// the earlier pass.
    @Test(arguments: Architecture.allCases, Precision.allCases)
    func passesAreIndependent(_ architecture: Architecture, _ precision: Precision) throws {
        let model = try autoencoder(architecture)
        let patches = (0..<4 * 9 * 192).map { sin(Float($0)) }

        func replica(images: Int) throws -> Replica {
            let replica = try Replica(
                model, images: images, precision: precision, team: ThreadTeam(count: 1), isTrained: true)
            replica.initialise(seed: 1)
            return replica
        }

        func pass(
            images: Int, from first: Int, hiding: Int, in replica: borrowing Replica
        ) -> ([Double], [Float]) {
            replica.clearGradients()
            var losses: [Double] = []
            let mask: [UInt8] = (0..<36).map { $0 % 9 < hiding ? 1 : 0 }
            patches.withUnsafeBufferPointer { patches in
                mask.withUnsafeBufferPointer { mask in
                    let batch = PatchBatch(
                        patches: patches.baseAddress! + first * 9 * 192, mask: mask.baseAddress! + first * 9,
                        images: images)
                    replica.forward(batch)
                    replica.loss(batch, gradientScale: 0.1)
                    losses = Array(replica.imageLosses.prefix(images))
                    replica.completeBackward(batch)
                }
            }
            return (losses, Array(replica.gradients.elements))
        }

        let used = try replica(images: 3)
        _ = pass(images: 3, from: 0, hiding: 2, in: used)
        let fresh = try replica(images: 1)
        let afterAnother = pass(images: 1, from: 3, hiding: 6, in: used)
        let alone = pass(images: 1, from: 3, hiding: 6, in: fresh)
        #expect(afterAnother.0 == alone.0)
        #expect(afterAnother.1 == alone.1)
        #expect(alone.1.contains { $0 != 0 } && alone.1.allSatisfy(\.isFinite))
    }
}
