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
    /// In the flat buffer.
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
    /// By ascending offset.
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
