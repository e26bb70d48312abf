import Base
import Kernels

/// A matrix that tokens are multiplied with, (outputs, inputs).
struct Weight: Sendable {
    /// Offset of its parameter and gradient in the flat buffers.
    let offset: Int
    let outputs: Int
    let inputs: Int
    /// Its first element in the prepared weights.
    fileprivate let place: Int

    /// Rounded up to whole cache lines.
    fileprivate var forwardCount: Int { (PackedMatrix.count(depth: inputs, columns: outputs) + 31) / 32 * 32 }
    fileprivate var backwardCount: Int { (PackedMatrix.count(depth: outputs, columns: inputs) + 31) / 32 * 32 }

    /// See `subspaceOverlap`, of the parts of a square weight. `scratch`: twice its values.
    func overlap(
        subspaces: Int, _ parameters: UnsafePointer<Float>, scratch: UnsafeMutablePointer<Float>
    ) -> Double {
        scratch.update(from: parameters + offset, count: outputs * inputs)
        return subspaceOverlap(
            scratch, subspaces: subspaces, rows: outputs / subspaces, dim: inputs, products: scratch + outputs * inputs)
    }
}

/// The layout of a model's prepared weights.
struct PreparedLayout: Sendable {
    /// Elements of all weights.
    private(set) var count = 0
    /// The weights that are packed as they are; a layer packs those that it derives from a parameter.
    private(set) var copied: [Weight] = []

    mutating func append(_ offset: Int, _ outputs: Int, _ inputs: Int, isDerived: Bool = false) -> Weight {
        let weight = Weight(offset: offset, outputs: outputs, inputs: inputs, place: count)
        count += weight.forwardCount + weight.backwardCount
        if !isDerived { copied.append(weight) }
        return weight
    }
}

/// The weights as right factors of the products of forward and backward passes, packed once per step.
struct PreparedWeights {
    let layout: PreparedLayout
    let backend: ProductBackend
    private let memory: Operand

    init(
        _ layout: PreparedLayout, _ format: OperandFormat, _ backend: ProductBackend, in arena: inout Arena
    ) throws {
        self.layout = layout
        self.backend = backend
        memory = try arena.operands(layout.count, format)
    }

    var format: OperandFormat { memory.format }

    /// W^T (inputs, outputs), for y = x W^T.
    func forward(_ weight: Weight) -> PackedMatrix {
        PackedMatrix(memory + weight.place, depth: weight.inputs, columns: weight.outputs, backend)
    }

    /// W (outputs, inputs), for dx = dy W.
    func backward(_ weight: Weight) -> PackedMatrix {
        PackedMatrix(
            memory + (weight.place + weight.forwardCount), depth: weight.outputs, columns: weight.inputs, backend)
    }

    /// Packs W (outputs, inputs) for both passes.
    func pack(_ weight: Weight, _ values: UnsafePointer<Float>) {
        forward(weight).pack(values, isTransposed: true)
        backward(weight).pack(values, isTransposed: false)
    }

    /// Packs the weights `part` of `layout.copied`.
    func copy(_ part: Range<Int>, from parameters: UnsafePointer<Float>) {
        for weight in layout.copied[part] { pack(weight, parameters + weight.offset) }
    }
}
