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
    /// Whether weight decay applies: to parameters of more than one dimension, with few exceptions.
    package let decays: Bool

    package var count: Int { shape.reduce(1, *) }
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
    package mutating func append(
        _ name: String, _ shape: [Int], initial: InitialValue, decays: Bool = true
    ) -> Int {
        let parameter = Parameter(
            name: name, shape: shape, offset: bufferCount, initial: initial, decays: decays && shape.count > 1)
        parameters.append(parameter)
        bufferCount += (parameter.count + 15) / 16 * 16
        return parameter.offset
    }
}

extension InitialValue {
    /// Kaiming uniform, bound sqrt(6 / D), for ISTA and decoder dictionaries.
    static func dictionary(dim: Int) -> InitialValue { .uniform(bound: (6 / Double(dim)).squareRoot()) }
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
