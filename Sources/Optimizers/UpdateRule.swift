/// The optimisers that a recipe can choose.
package enum OptimizerKind: String, CaseIterable, Codable, Sendable {
    case adamw, lion
}

/// How a step changes parameters, from their gradients.
package enum UpdateRule: Equatable, Sendable {
    /// A step along m / (sqrt(v) + epsilon), with two moments; see `AdamW.update`.
    case adamW(AdamW)
    /// A step along the signs of gradient and moment, with one moment; see `Lion.update`.
    case lion(Lion)

    /// AdamW with betas 0.9 and `beta2`.
    package static func adamW(weightDecay: Double, beta2: Double = 0.95) -> UpdateRule {
        var rule = AdamW(weightDecay: weightDecay)
        rule.beta2 = beta2
        return .adamW(rule)
    }

    /// The moments that it keeps.
    package var moments: [Moment] {
        switch self {
        case .adamW: [.first, .second]
        case .lion: [.first]
        }
    }
}
