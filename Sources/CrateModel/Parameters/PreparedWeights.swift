import Base
import Kernels

/// A matrix that tokens are multiplied with, (outputs, inputs).
struct Weight: Sendable {
    /// Offset of its parameter and gradient in the flat buffers.
    let offset: Int
    let outputs: Int
    let inputs: Int
    /// Its index in the derived or in the copied weights.
    fileprivate let place: Int
    /// Whether products use values derived from the parameter instead of the parameter.
    fileprivate let isDerived: Bool
}

/// The layout of a model's prepared weights: first the derived ones, then the copied ones.
struct PreparedLayout: Sendable {
    private var derivedCount = 0
    private var copiedCount = 0
    /// The weights that are only converted to the format of factors.
    private(set) var copied: [Weight] = []

    mutating func append(_ offset: Int, _ outputs: Int, _ inputs: Int, isDerived: Bool = false) -> Weight {
        let count = (outputs * inputs + 31) / 32 * 32
        let weight = Weight(
            offset: offset, outputs: outputs, inputs: inputs, place: isDerived ? derivedCount : copiedCount,
            isDerived: isDerived)
        if isDerived {
            derivedCount += count
        } else {
            copiedCount += count
            copied.append(weight)
        }
        return weight
    }

    /// The number of elements in `format`. In fp32 only derived weights are stored; products use the other parameters
    /// directly.
    func count(_ format: OperandFormat) -> Int { derivedCount + (format == .float32 ? 0 : copiedCount) }

    fileprivate func place(of weight: Weight) -> Int {
        weight.isDerived ? weight.place : derivedCount + weight.place
    }
}

/// The weights in the form used by products: derived from the parameters, or in the format of factors. Prepared once
/// per step.
struct PreparedWeights {
    let layout: PreparedLayout
    private let memory: Operand

    init(_ layout: PreparedLayout, _ format: OperandFormat, in arena: inout Arena) throws {
        self.layout = layout
        memory = try arena.operands(layout.count(format), format)
    }

    var format: OperandFormat { memory.format }

    func operand(_ weight: Weight) -> Operand { memory + layout.place(of: weight) }

    /// (outputs, inputs).
    func matrix(_ weight: Weight, parameters: UnsafeMutablePointer<Float>) -> Matrix {
        let isParameter = format == .float32 && !weight.isDerived
        return Matrix(
            isParameter ? Operand(parameters + weight.offset) : operand(weight), weight.outputs, weight.inputs)
    }

    /// Converts the weights `part` of `layout.copied` to the format of factors.
    func copy(_ part: Range<Int>, from parameters: UnsafePointer<Float>) {
        guard format != .float32 else { return }
        for weight in layout.copied[part] {
            convert(parameters + weight.offset, count: weight.outputs * weight.inputs, into: operand(weight))
        }
    }
}
