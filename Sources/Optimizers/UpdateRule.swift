/// How parameters follow their gradients.
package enum UpdateRule: Equatable, Sendable {
    /// A step along m / (sqrt(v) + epsilon), with two moments; see `AdamW.update`.
    case adamW(AdamW)
    /// A step along the signs of gradient and moment, with one moment; see `Lion.update`.
    case lion(Lion)
}

extension UpdateRule {
    /// AdamW with betas 0.9 and 0.95.
    package static func adamW(weightDecay: Double) -> UpdateRule { .adamW(AdamW(weightDecay: weightDecay)) }

    /// The moments that it keeps.
    package var moments: [Moment] {
        switch self {
        case .adamW: [.first, .second]
        case .lion: [.first]
        }
    }
}
