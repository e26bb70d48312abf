import Base
import Kernels

/// A matrix that tokens are multiplied with, (outputs, inputs).
struct Weight: Sendable {
    /// Where its parameter and its gradient lie in the flat buffers.
    let offset: Int
    let outputs: Int
    let inputs: Int
    /// Where it lies among the prepared weights.
    fileprivate let place: Int
    /// Whether products take something that is computed from the parameter, and not the parameter.
    fileprivate let isDerived: Bool
}

/// Where the prepared weights of a model lie: first the derived ones, then the others.
struct PreparedLayout: Sendable {
    private var derivedCount = 0
    private var copiedCount = 0
    /// The weights that products take as they are, but for the format.
    private(set) var copied: [Weight] = []

    /// A weight whose parameter lies at `offset`.
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

    /// The number of elements in `format`. Floats are taken from the parameters where they are not derived.
    func count(_ format: OperandFormat) -> Int { derivedCount + (format == .float32 ? 0 : copiedCount) }

    fileprivate func place(of weight: Weight) -> Int {
        weight.isDerived ? weight.place : derivedCount + weight.place
    }
}

/// The weights as products take them: derived from the parameters, and in the format of factors. Made once a step.
struct PreparedWeights {
    let layout: PreparedLayout
    private let memory: Operand

    init(_ layout: PreparedLayout, _ format: OperandFormat, in arena: inout Arena) throws {
        self.layout = layout
        memory = try arena.operands(layout.count(format), format)
    }

    var format: OperandFormat { memory.format }

    /// Where `weight` is to be written, and read from.
    func operand(_ weight: Weight) -> Operand { memory + layout.place(of: weight) }

    /// `weight` as a matrix (outputs, inputs).
    func matrix(_ weight: Weight, parameters: UnsafeMutablePointer<Float>) -> Matrix {
        let isParameter = format == .float32 && !weight.isDerived
        return Matrix(
            isParameter ? Operand(parameters + weight.offset) : operand(weight), weight.outputs, weight.inputs)
    }

    /// Copies into the format of factors what is not derived: one of `part` of `layout.copied`.
    func copy(_ part: Range<Int>, from parameters: UnsafePointer<Float>) {
        guard format != .float32 else { return }
        for weight in layout.copied[part] {
            convert(parameters + weight.offset, count: weight.outputs * weight.inputs, into: operand(weight))
        }
    }
}
