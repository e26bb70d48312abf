import Buffers
import Checkpoints
import Kernels

/// Parameters, gradients and AdamW's moments of one layout, in flat buffers allocated once.
public struct Optimizer: ~Copyable {
    /// The table that all four buffers follow.
    public let layout: ParameterLayout
    /// The parameters.
    public let parameters: OwnedBuffer<Float>
    /// The gradients, which passes add to.
    public let gradients: OwnedBuffer<Float>
    private let firstMoments: OwnedBuffer<Float>
    private let secondMoments: OwnedBuffer<Float>
    private let rule: AdamW

    /// Zeroed buffers for `layout`. Throws `Failure` when the memory is not to be had.
    public init(_ layout: ParameterLayout, rule: AdamW) throws {
        let parameters = try OwnedBuffer<Float>(count: layout.bufferCount)
        let gradients = try OwnedBuffer<Float>(count: layout.bufferCount)
        let firstMoments = try OwnedBuffer<Float>(count: layout.bufferCount)
        let secondMoments = try OwnedBuffer<Float>(count: layout.bufferCount)
        self.layout = layout
        self.rule = rule
        self.parameters = parameters
        self.gradients = gradients
        self.firstMoments = firstMoments
        self.secondMoments = secondMoments
    }

    /// What the moments take.
    public var momentByteCount: Int { firstMoments.bytes.count + secondMoments.bytes.count }

    /// The buffers that a checkpoint holds.
    public var state: TrainingState {
        TrainingState(
            parameters: parameters.pointer, firstMoments: firstMoments.pointer, secondMoments: secondMoments.pointer)
    }

    /// Sets all gradients to zero.
    public borrowing func clearGradients() {
        gradients.pointer.update(repeating: 0, count: gradients.count)
    }

    /// The L2 norm of all gradients together.
    public var gradientNorm: Double {
        sumOfSquares(gradients.pointer, count: gradients.count).squareRoot()
    }

    /// One AdamW update from the gradients; `step` counts from 0. With `clip`, gradients are first scaled by
    /// min(1, clip / (norm + 1e-6)), where `norm` is their global norm.
    public borrowing func update(step: Int, rate: Double, norm: Double, clip: Double?) {
        let scale = clip.map { min(1, $0 / (norm + 1e-6)) } ?? 1
        for parameter in layout.parameters {
            let offset = parameter.offset
            rule.update(
                parameters.pointer + offset, gradients: gradients.pointer + offset,
                firstMoments: firstMoments.pointer + offset, secondMoments: secondMoments.pointer + offset,
                count: parameter.count, step: step + 1, rate: rate, gradientScale: Float(scale),
                decays: parameter.decays)
        }
    }
}
