package enum OptimizerKind: String, CaseIterable, Codable, Sendable {
    case adamw, lion
}

package enum UpdateRule: Equatable, Sendable {
    /// Steps along m / (sqrt(v) + epsilon); see `AdamW.update`.
    case adamW(AdamW)
    /// Steps along the sign of gradient and moment; see `Lion.update`.
    case lion(Lion)

    package static func adamW(weightDecay: Double, beta2: Double = 0.95) -> UpdateRule {
        var rule = AdamW(weightDecay: weightDecay)
        rule.beta2 = beta2
        return .adamW(rule)
    }

    package var moments: [Moment] {
        switch self {
        case .adamW: [.first, .second]
        case .lion: [.first]
        }
    }
}
