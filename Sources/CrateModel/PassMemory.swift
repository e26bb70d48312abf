import Base
import Kernels

/// Bytes of a workspace by what they are for.
package struct WorkspaceBytes: Equatable, Sendable {
    /// What a forward pass leaves for the backward pass.
    package let activations: Int
    /// What nothing remembers from one layer to the next.
    package let scratch: Int
    /// Weights as products take them.
    package let preparedWeights: Int

    /// What a workspace of these arguments takes, without taking it: its memory is laid out in an arena that only counts.
    /// Throws `Failure` when it is beyond what an integer counts.
    package init(_ model: Model, images: Int, precision: Precision, threads: Int) throws {
        var arena = Arena(isCounting: true)
        self = try PassMemory(model, images: images, precision.format, threads: threads, in: &arena).bytes
    }

    init(activations: Int, scratch: Int, preparedWeights: Int) {
        self.activations = activations
        self.scratch = scratch
        self.preparedWeights = preparedWeights
    }

    /// All of them.
    package var total: Int { activations + scratch + preparedWeights }
}

/// What a workspace has in its arena.
struct PassMemory {
    let shape: AttentionShape
    let activations: Activations
    let scratch: Scratch
    let prepared: PreparedWeights
    let derivation: UnsafeMutablePointer<Float>
    let derivationCount: Int
    let bytes: WorkspaceBytes

    init(
        _ model: Model, images: Int, _ format: OperandFormat, threads: Int, in arena: inout Arena
    ) throws {
        let configuration = model.configuration
        shape = AttentionShape(
            images: images, tokens: configuration.tokenCount, heads: configuration.heads,
            headDim: configuration.headDim)
        activations = try Activations(model, shape, format, threads: threads, in: &arena)
        let activationBytes = arena.byteCount
        derivationCount = max(configuration.dim * configuration.dim, configuration.patchValueCount)
        derivation = try arena.floats(threads * derivationCount)
        scratch = try Scratch(
            shape, valueCount: configuration.patchValueCount, format, threads: threads, in: &arena)
        let scratchBytes = arena.byteCount - activationBytes
        prepared = try PreparedWeights(model.prepared, format, in: &arena)
        bytes = WorkspaceBytes(
            activations: activationBytes, scratch: scratchBytes,
            preparedWeights: arena.byteCount - activationBytes - scratchBytes)
    }
}
