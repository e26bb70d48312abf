import Base
import Kernels

/// Lays out a model layer by layer: parameters in the flat buffer, prepared weights, and the activations of passes over
/// a micro-batch.
struct LayerBuilder: ~Copyable {
    private(set) var layout = ParameterLayout()
    private(set) var prepared = PreparedLayout()
    private(set) var arena: Arena
    private(set) var scratch: ScratchSizes
    /// The encoder block of each layer with a skip connection, so far; nil in the decoder.
    private(set) var branches: [Int?] = []
    private var block: Int?
    let shapes: StageShapes
    /// N of a micro-batch, T, H and P, of the stage whose layers are being built.
    private(set) var shape: AttentionShape
    /// The format of factors, the inputs of products.
    let format: OperandFormat
    let backend: ProductBackend
    let threads: Int
    /// The embedding's patches, reused for an autoencoder's predictions, (M, V).
    let patchValues: UnsafeMutablePointer<Float>

    /// M = N T.
    var rows: Int { shape.images * shape.tokens }

    /// With `visible` patches of an image no pass has more visible ones, which saves memory where the encoder omits the hidden ones;
    /// nil is all. Throws `Failure` if memory is short.
    init(
        _ configuration: ModelConfiguration, images: Int, visible: Int?, _ format: OperandFormat,
        _ backend: ProductBackend, threads: Int, arena: consuming Arena
    ) throws {
        shapes = StageShapes(configuration, images: images, visible: visible)
        shape = shapes.encoder
        scratch = ScratchSizes(configuration, shapes)
        self.format = format
        self.backend = backend
        self.threads = threads
        var arena = arena
        patchValues = try arena.floats(images * configuration.tokenCount * configuration.patchValueCount)
        self.arena = arena
    }

    /// From here on, layers of encoder block `index` are built.
    mutating func enterBlock(_ index: Int) { block = index }

    /// From here on, layers of the decoder are built.
    mutating func enterDecoder() { (shape, block) = (shapes.decoder, nil) }

    /// Appends a parameter that is not a factor of products, and returns its offset.
    mutating func parameter(
        _ name: String, _ extents: [Int], initial: InitialValue, decays: Bool = true
    ) -> Int {
        layout.append(name, extents, initial: initial, decays: decays)
    }

    /// Appends a weight (outputs, inputs), stored with the shape `extents` if given. With `isDerived` products use
    /// values that a layer derives from the parameter.
    mutating func weight(
        _ name: String, _ outputs: Int, _ inputs: Int, stored extents: [Int]? = nil, initial: InitialValue,
        isDerived: Bool = false
    ) -> Weight {
        let offset = layout.append(name, extents ?? [outputs, inputs], initial: initial)
        return prepared.append(offset, outputs, inputs, isDerived: isDerived)
    }

    /// Appends the weight (outputs, inputs) and the bias (outputs) of a product.
    mutating func linear(
        _ name: String, _ outputs: Int, _ inputs: Int, _ initial: LinearInitial
    ) throws -> (weight: Weight, bias: VectorGradient) {
        let weight = weight("\(name).weight", outputs, inputs, initial: initial.weight(outputs, inputs))
        let offset = parameter("\(name).bias", [outputs], initial: initial.bias(inputs: inputs))
        return (weight, try VectorGradient(offset, count: outputs, in: &self))
    }

    /// The number of the next layer with a skip connection; see `Pass.scale`.
    mutating func branch() -> Int {
        branches.append(block)
        return branches.count - 1
    }

    /// Asks for memory of `Scratch` that not every layer needs, in elements.
    mutating func reserve(projection: Int = 0, hidden: Int = 0, wide: Int = 0, residual: Int = 0) {
        scratch.projection = max(scratch.projection, projection)
        scratch.hidden = max(scratch.hidden, hidden)
        scratch.wide = max(scratch.wide, wide)
        scratch.residual = max(scratch.residual, residual)
    }

    /// Zeroed floats.
    mutating func floats(_ count: Int) throws -> UnsafeMutablePointer<Float> { try arena.floats(count) }

    /// Zeroed elements in the format of factors.
    mutating func operands(_ count: Int) throws -> Operand { try arena.operands(count, format) }

    /// Memory for a copy of floats as factors; empty if factors are fp32.
    mutating func factorCopy(_ count: Int) throws -> Operand {
        try arena.operands(format == .float32 ? 0 : count, format)
    }

    /// Adds the memory of passes that no layer owns. Call it after all layers are built.
    mutating func finish() throws -> (scratch: Scratch, prepared: PreparedWeights, bytes: ReplicaBytes) {
        let activations = arena.byteCount
        let scratch = try Scratch(scratch, format, threads: threads, in: &arena)
        let scratchBytes = arena.byteCount - activations
        let weights = try PreparedWeights(prepared, format, backend, in: &arena)
        let bytes = ReplicaBytes(
            activations: activations, scratch: scratchBytes,
            preparedWeights: arena.byteCount - activations - scratchBytes)
        return (scratch, weights, bytes)
    }

    consuming func memory() -> Arena { arena }
}

package struct ReplicaBytes: Equatable, Sendable {
    /// Kept from the forward pass for the backward pass.
    package let activations: Int
    /// Not needed after a layer has run.
    package let scratch: Int
    package let preparedWeights: Int

    package var total: Int { activations + scratch + preparedWeights }
}

extension ReplicaBytes {
    /// The bytes for a replica with these arguments, computed without allocating. Throws `Failure` on integer overflow.
    package init(
        _ model: Model, images: Int, visible: Int? = nil, precision: Precision, products: ProductBackend = .fastest,
        threads: Int
    ) throws {
        var builder = try LayerBuilder(
            model.configuration, images: images, visible: visible, precision.format(products), products,
            threads: threads, arena: Arena(isCounting: true))
        _ = try Network(model.configuration, model.classifier, in: &builder)
        self = try builder.finish().bytes
    }
}
