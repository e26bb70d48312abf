import Base

package enum InitialValue: Equatable, Sendable {
    case constant(Float)
    /// In (-bound, bound).
    case uniform(bound: Double)
    /// With mean 0.
    case normal(deviation: Double)
}

package struct Parameter: Equatable, Sendable {
    package let name: String
    package let shape: [Int]
    package let offset: Int
    package let initial: InitialValue

    package var count: Int { shape.reduce(1, *) }

    /// Weight decay applies to parameters of more than one dimension.
    package var decays: Bool { shape.count > 1 }
}

/// The offset of every parameter in a flat buffer, in the order in which a forward pass uses them. Initialisation,
/// gradients, optimiser state, reduction and checkpoints all use this layout.
///
/// Each parameter starts at a multiple of 16 floats; the gaps are zero in every buffer of this layout.
package struct ParameterLayout: Equatable, Sendable {
    package private(set) var parameters: [Parameter] = []
    /// The length of a flat buffer, including gaps.
    package private(set) var bufferCount = 0

    package init() {}

    /// The number of trained values, without gaps.
    package var parameterCount: Int { parameters.reduce(0) { $0 + $1.count } }

    /// Returns the offset of the new parameter.
    package mutating func append(_ name: String, _ shape: [Int], initial: InitialValue) -> Int {
        let parameter = Parameter(name: name, shape: shape, offset: bufferCount, initial: initial)
        parameters.append(parameter)
        bufferCount += (parameter.count + 15) / 16 * 16
        return parameter.offset
    }
}

extension InitialValue {
    /// Kaiming uniform, bound sqrt(6 / D), for ISTA and decoder dictionaries.
    static func dictionary(dim: Int) -> InitialValue { .uniform(bound: (6 / Double(dim)).squareRoot()) }

    /// Weight and bias of a square product in the masked autoencoder: Xavier uniform, and zero.
    static func xavier(dim: Int) -> (weight: InitialValue, bias: InitialValue) {
        (.uniform(bound: (3 / Double(dim)).squareRoot()), .constant(0))
    }

    /// Weight and bias of a product in the supervised model: uniform with bound 1 / sqrt(inputs), PyTorch's default.
    static func linear(inputs: Int) -> (weight: InitialValue, bias: InitialValue) {
        let value = InitialValue.uniform(bound: 1 / Double(inputs).squareRoot())
        return (value, value)
    }
}

extension ParameterLayout {
    /// Draws every parameter by its `initial` rule, each from its own stream of `seed`, so values do not depend on the
    /// order of drawing. The gaps of `buffer`, a flat buffer of this layout, are not written.
    package func initialise(_ buffer: UnsafeMutablePointer<Float>, seed: UInt64) {
        for (index, parameter) in parameters.enumerated() {
            var generator = KeyedGenerator(seed: seed, .initialisation, index)
            let values = buffer + parameter.offset
            switch parameter.initial {
            case .constant(let value):
                values.update(repeating: value, count: parameter.count)
            case .uniform(let bound):
                for i in 0..<parameter.count { values[i] = Float(generator.uniform(in: -bound...bound)) }
            case .normal(let deviation):
                for i in 0..<parameter.count { values[i] = Float(deviation * generator.normal()) }
            }
        }
    }
}
