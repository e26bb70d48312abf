import Base

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
