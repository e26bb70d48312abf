import Base
import Kernels

/// Lays out a model layer by layer: parameters in the flat buffer, weights among the prepared ones, and the memory that passes
/// over a micro-batch leave for the backward pass.
struct LayerBuilder: ~Copyable {
    private(set) var layout = ParameterLayout()
    private(set) var prepared = PreparedLayout()
    private(set) var arena: Arena
    /// N of a micro-batch, T, H and P.
    let shape: AttentionShape
    /// The format of factors.
    let format: OperandFormat
    let threads: Int
    /// Patches as the embedding gathers them, and later an autoencoder's predictions in their place, (M, V).
    let patchValues: UnsafeMutablePointer<Float>

    /// M = N T.
    var rows: Int { shape.images * shape.tokens }

    /// Throws `Failure` when the memory is not to be had.
    init(
        _ configuration: ModelConfiguration, images: Int, _ format: OperandFormat, threads: Int, arena: consuming Arena
    ) throws {
        shape = AttentionShape(
            images: images, tokens: configuration.tokenCount, heads: configuration.heads,
            headDim: configuration.headDim)
        self.format = format
        self.threads = threads
        var arena = arena
        patchValues = try arena.floats(images * configuration.tokenCount * configuration.patchValueCount)
        self.arena = arena
    }

    /// Appends a parameter that no product takes, and returns its offset.
    mutating func parameter(_ name: String, _ extents: [Int], initial: InitialValue) -> Int {
        layout.append(name, extents, initial: initial)
    }

    /// Appends a weight (outputs, inputs), which is stored with `extents` where these are given. With `isDerived` products take
    /// something that a layer computes from the parameter.
    mutating func weight(
        _ name: String, _ outputs: Int, _ inputs: Int, stored extents: [Int]? = nil, initial: InitialValue,
        isDerived: Bool = false
    ) -> Weight {
        let offset = layout.append(name, extents ?? [outputs, inputs], initial: initial)
        return prepared.append(offset, outputs, inputs, isDerived: isDerived)
    }

    /// Zeroed floats.
    mutating func floats(_ count: Int) throws -> UnsafeMutablePointer<Float> { try arena.floats(count) }

    /// Zeroed elements in the format of factors.
    mutating func operands(_ count: Int) throws -> Operand { try arena.operands(count, format) }

    /// Memory for a copy of floats as factors; none where floats are factors.
    mutating func factorCopy(_ count: Int) throws -> Operand {
        try arena.operands(format == .float32 ? 0 : count, format)
    }

    /// Adds, when all layers are made, the memory of a pass that no layer owns.
    mutating func finish(
        _ configuration: ModelConfiguration
    ) throws -> (scratch: Scratch, prepared: PreparedWeights, bytes: ReplicaBytes) {
        let activations = arena.byteCount
        let scratch = try Scratch(configuration, shape, format, threads: threads, in: &arena)
        let scratchBytes = arena.byteCount - activations
        let weights = try PreparedWeights(prepared, format, in: &arena)
        let bytes = ReplicaBytes(
            activations: activations, scratch: scratchBytes,
            preparedWeights: arena.byteCount - activations - scratchBytes)
        return (scratch, weights, bytes)
    }

    /// The owner of all memory.
    consuming func memory() -> Arena { arena }
}

/// Bytes of a replica's passes by what they are for.
package struct ReplicaBytes: Equatable, Sendable {
    /// What a forward pass leaves for the backward pass.
    package let activations: Int
    /// What no layer needs after it has run.
    package let scratch: Int
    /// Weights in the form that products take.
    package let preparedWeights: Int

    /// What the passes of a replica of these arguments take, worked out without taking it. Throws `Failure` when it is more than
    /// an integer can count.
    package init(_ model: Model, images: Int, precision: Precision, threads: Int) throws {
        var builder = try LayerBuilder(
            model.configuration, images: images, precision.format, threads: threads, arena: Arena(isCounting: true))
        _ = try Network(model.configuration, model.classifier, in: &builder)
        self = try builder.finish(model.configuration).bytes
    }

    fileprivate init(activations: Int, scratch: Int, preparedWeights: Int) {
        self.activations = activations
        self.scratch = scratch
        self.preparedWeights = preparedWeights
    }
}
