/// How weight and bias of a product are drawn, (outputs, inputs) and (outputs).
enum LinearInitial {
    /// Xavier uniform, bound sqrt(6 / (outputs + inputs)); zero biases.
    case xavier
    /// Uniform with bound 1 / sqrt(inputs), both: PyTorch's default.
    case uniform
    /// Normal; zero biases.
    case normal(deviation: Double)

    func weight(_ outputs: Int, _ inputs: Int) -> InitialValue {
        switch self {
        case .xavier: .uniform(bound: (6 / Double(outputs + inputs)).squareRoot())
        case .uniform: .uniform(bound: 1 / Double(inputs).squareRoot())
        case .normal(let deviation): .normal(deviation: deviation)
        }
    }

    func bias(inputs: Int) -> InitialValue {
        switch self {
        case .xavier, .normal: .constant(0)
        case .uniform: weight(0, inputs)
        }
    }
}
