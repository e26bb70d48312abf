import CrateModel
import Diagnostics
import Foundation
import Shards
import Testing
import Training

/// Injected faults must be found and named.
@Suite struct DebugSessionTests {
    /// Runs `body` with a session of a small model on synthetic images.
    private func withSession(_ body: (borrowing DebugSession) throws -> Void) throws {
        let data = NSTemporaryDirectory() + "debug-\(UUID().uuidString)"
        defer { try? FileManager.default.removeItem(atPath: data) }
        try DrawnShards.write(to: data, count: 4, imageSize: 16, patchSize: 8)
        let configuration = TrainingConfiguration(
            model: try ModelConfiguration(
                imageSize: 16, patchSize: 8, dim: 32, depth: 2, heads: 2, normalisesTargets: true),
            batchSize: 2, virtualRanks: 1, microBatch: 2, precision: .fp32, wire: .fp32,
            schedule: LearningRate(peak: 1e-3, warmupSteps: 0, totalSteps: 10), weightDecay: 0.1, clip: 1,
            maskRatio: 0.75, normalisation: .imageNet, seed: 0, sampleCount: 4)
        try body(try DebugSession(configuration, data: data, checkpoint: nil, threads: 1))
    }

    /// Applies `change` to all elements of the parameter `name` in `buffer`.
    private func change(
        _ name: String, in buffer: UnsafeMutablePointer<Float>, of model: Model, _ change: (Float) -> Float
    ) throws {
        let parameter = try #require(model.layout.parameters.first { $0.name == name })
        for index in parameter.offset..<parameter.offset + parameter.count { buffer[index] = change(buffer[index]) }
    }

    @Test func validModelHasNoFindings() throws {
        try withSession { session in
            let badValue = session.findBadValue()
            #expect(badValue == nil)
            try session.computeExactGradients()
            let badGradient = session.findBadGradient()
            #expect(badGradient == nil)
            let checks = try session.checkGradients()
            #expect(checks.count == session.replica.model.layout.parameters.count)
            for check in checks { #expect(check.passes && check.judged > 0, "\(check)") }
        }
    }

    @Test(arguments: [
        ("blocks.1.layers.0.0.fn.qkv.weight", Float(1e38), "output of blocks.1.layers.0.0.fn.qkv"),
        ("blocks.0.layers.0.1.norm.bias", 3e38, "output of blocks.0.layers.0.1"),
        ("decoder_blocks.0.layers.0.0.fn.weight", 3e38, "output of decoder_blocks.0.layers.0.0"),
        ("decoder_pred.bias", .infinity, "parameter decoder_pred.bias"),
        ("mask_token", .nan, "parameter mask_token"),
    ]) func firstBadTensorIsNamed(parameter: String, value: Float, name: String) throws {
        try withSession { session in
            try change(parameter, in: session.replica.parameters.pointer, of: session.replica.model) { _ in value }
            let found = session.findBadValue()
            let bad = try #require(found)
            #expect(bad.name == name)
            #expect(bad.text.contains("infinite of \(bad.values.count) values, the first at ["))
            #expect((bad.before == nil) == name.hasPrefix("parameter"))
        }
    }

    @Test(arguments: [
        "patch_embed.proj.weight", "blocks.0.layers.0.0.fn.qkv.weight", "blocks.1.layers.0.1.fn.weight",
        "decoder_blocks.1.layers.0.1.fn.to_out.0.bias", "norm.weight",
    ]) func wrongGradientIsNamed(parameter: String) throws {
        try withSession { session in
            try session.computeExactGradients()
            try change(parameter, in: session.replica.gradients.pointer, of: session.replica.model) { 1.1 * $0 }
            let wrong = try session.checkGradients().filter { !$0.passes }
            #expect(wrong.map(\.name) == [parameter])
        }
    }

    @Test func nonFiniteGradientIsNamed() throws {
        try withSession { session in
            try session.computeExactGradients()
            try change("norm.weight", in: session.replica.gradients.pointer, of: session.replica.model) { $0 / 0 }
            let badGradient = session.findBadGradient()
            #expect(badGradient?.name == "gradient of norm.weight")
        }
    }
}
