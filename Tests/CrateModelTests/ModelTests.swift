import Base
import CrateModel
import Foundation
import Kernels
import Testing

@Suite struct ModelConfigurationTests {
    /// Published counts include both position tables and `decoder_embed`, which take no part in the computation.
    @Test(arguments: zip(ModelSize.allCases, [11_555_328, 25_405_824, 44_638_464, 154_274_560]))
    func sizesHaveTheirPublishedParameterCounts(size: ModelSize, published: Int) throws {
        let (dim, depth, heads) = size.extents
        let configuration = try ModelConfiguration(
            imageSize: 224, patchSize: 16, dim: dim, depth: depth, heads: heads, normalisesTargets: true)
        let model = MaskedAutoencoder(configuration)
        let unused = 2 * configuration.tokenCount * dim + dim * dim + dim
        #expect(model.layout.parameterCount + unused == published)
    }

    @Test func extentsThatDoNotFitAreRefused() throws {
        func make(
            image: Int = 32, patch: Int = 8, dim: Int = 48, depth: Int = 2, heads: Int = 3, positionGrid: Int? = nil
        ) throws {
            _ = try ModelConfiguration(
                imageSize: image, patchSize: patch, dim: dim, depth: depth, heads: heads, normalisesTargets: true,
                positionGrid: positionGrid)
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
    }
}

@Suite struct ParameterLayoutTests {
    @Test func parametersAreAlignedAndDoNotOverlap() throws {
        let model = MaskedAutoencoder(
            try ModelConfiguration(
                imageSize: 30, patchSize: 5, dim: 20, depth: 2, decoderDepth: 1, heads: 5, normalisesTargets: false))
        var end = 0
        for parameter in model.layout.parameters {
            #expect(parameter.offset >= end && parameter.offset % 16 == 0)
            end = parameter.offset + parameter.count
            #expect(parameter.decays == (parameter.shape.count > 1))
        }
        #expect(model.layout.bufferCount >= end)
        #expect(Set(model.layout.parameters.map(\.name)).count == model.layout.parameters.count)
        let undecayed = model.layout.parameters.filter { !$0.decays }.map(\.name)
        #expect(undecayed.allSatisfy { $0.hasSuffix(".bias") || $0.contains("norm.weight") })
    }

    @Test func initialValuesFollowTheirRules() throws {
        let model = MaskedAutoencoder(
            try ModelConfiguration(
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

@Suite struct WorkspaceTests {
    /// A batch smaller than the workspace, after a full one, gives what it gives alone: nothing of the earlier pass is left.
    @Test(arguments: Precision.allCases)
    func aWorkspaceForgetsThePassBefore(_ precision: Precision) throws {
        let configuration = try ModelConfiguration(
            imageSize: 24, patchSize: 8, dim: 20, depth: 2, heads: 5, normalisesTargets: true)
        let model = Model.autoencoder(MaskedAutoencoder(configuration))
        let parameters = try OwnedBuffer<Float>(count: model.layout.bufferCount)
        model.layout.initialise(parameters.pointer, seed: 1)
        let gradients = try OwnedBuffer<Float>(count: model.layout.bufferCount)
        let patches = (0..<4 * 9 * 192).map { sin(Float($0)) }
        let mask: [UInt8] = (0..<36).map { $0 % 3 == 0 ? 0 : 1 }

        func pass(images: Int, from first: Int, in workspace: borrowing Workspace) -> ([Double], [Float]) {
            gradients.pointer.update(repeating: 0, count: gradients.count)
            var losses: [Double] = []
            patches.withUnsafeBufferPointer { patches in
                mask.withUnsafeBufferPointer { mask in
                    let batch = PatchBatch(
                        patches: patches.baseAddress! + first * 9 * 192, mask: mask.baseAddress! + first * 9,
                        images: images)
                    model.prepare(parameters: parameters.pointer, workspace: workspace)
                    model.forward(batch, parameters: parameters.pointer, workspace: workspace)
                    model.loss(batch, gradientScale: 0.1, workspace: workspace)
                    losses = Array(workspace.imageLosses.prefix(images))
                    model.completeBackward(
                        batch, parameters: parameters.pointer, gradients: gradients.pointer, workspace: workspace,
                        ready: { _ in })
                }
            }
            return (losses, Array(gradients.elements))
        }

        let used = try Workspace(model, images: 3, precision: precision, team: ThreadTeam(count: 1))
        _ = pass(images: 3, from: 0, in: used)
        let fresh = try Workspace(model, images: 1, precision: precision, team: ThreadTeam(count: 1))
        let (afterAnother, alone) = (pass(images: 1, from: 3, in: used), pass(images: 1, from: 3, in: fresh))
        #expect(afterAnother.0 == alone.0)
        #expect(afterAnother.1 == alone.1)
        #expect(alone.1.contains { $0 != 0 })
    }
}
