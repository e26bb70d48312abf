/// How a parameter is drawn before the first step.
package enum InitialValue: Equatable, Sendable {
    /// The same value everywhere.
    case constant(Float)
    /// Uniform in (-bound, bound).
    case uniform(bound: Double)
    /// Normal with mean 0.
    case normal(deviation: Double)
}

/// One parameter: its published name, its shape, and where it lies in the flat buffer.
package struct Parameter: Equatable, Sendable {
    /// The name in published checkpoints.
    package let name: String
    /// Row-major extents.
    package let shape: [Int]
    /// Position of the first element in the flat buffer.
    package let offset: Int
    /// How it is drawn before the first step.
    package let initial: InitialValue

    /// The number of elements.
    package var count: Int { shape.reduce(1, *) }

    /// Weight decay applies to parameters of more than one dimension.
    package var decays: Bool { shape.count > 1 }
}

/// The one table that initialisation, gradients, optimiser state, reduction and checkpoints follow: every
/// parameter's place in a flat buffer, in the order in which the forward pass meets them.
///
/// Each parameter starts on a multiple of 16 floats; the gaps hold zeros in every buffer of this layout.
package struct ParameterLayout: Equatable, Sendable {
    /// The parameters by ascending offset.
    package private(set) var parameters: [Parameter] = []
    /// The length of a flat buffer, gaps included.
    package private(set) var bufferCount = 0

    /// A layout without parameters.
    package init() {}

    /// The number of trained values, gaps not counted.
    package var parameterCount: Int { parameters.reduce(0) { $0 + $1.count } }

    /// Appends a parameter and returns its offset.
    package mutating func append(_ name: String, _ shape: [Int], initial: InitialValue) -> Int {
        let parameter = Parameter(name: name, shape: shape, offset: bufferCount, initial: initial)
        parameters.append(parameter)
        bufferCount += (parameter.count + 15) / 16 * 16
        return parameter.offset
    }
}
