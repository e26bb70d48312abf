import Foundation
import Kernels

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

/// Source: Loshchilov and Hutter, Decoupled Weight Decay Regularization (arXiv 1711.05101).
package struct AdamW: Equatable, Sendable {
    package var beta1 = 0.9
    package var beta2 = 0.95
    package var epsilon = 1e-8
    package var weightDecay = 0.1

    package init(weightDecay: Double) {
        self.weightDecay = weightDecay
    }

    /// Updates `count` parameters in place; `step` counts from 1. With g the gradient times `gradientScale`:
    ///
    ///     p *= 1 - rate weightDecay (if `decays`)
    ///     m = beta1 m + (1 - beta1) g;  v = beta2 v + (1 - beta2) g^2
    ///     p -= rate / (1 - beta1^step) m / (sqrt(v / (1 - beta2^step)) + epsilon)
    package func update(
        _ parameters: UnsafeMutablePointer<Float>, gradients: UnsafePointer<Float>,
        firstMoments: UnsafeMutablePointer<Float>, secondMoments: UnsafeMutablePointer<Float>, count: Int,
        step: Int, rate: Double, gradientScale: Float, decays: Bool
    ) {
        let keep = Float(decays ? 1 - rate * weightDecay : 1)
        let stepSize = Float(rate / (1 - pow(beta1, Double(step))))
        let rootScale = Float(1 / (1 - pow(beta2, Double(step))).squareRoot())
        let (decay1, fresh1) = (Float(beta1), Float(1 - beta1))
        let (decay2, fresh2) = (Float(beta2), Float(1 - beta2))
        let smallest = Float(epsilon)
        for (i, lanes) in Vectors(count) {
            let gradient = load(gradients + i, lanes) * gradientScale
            let first = load(firstMoments + i, lanes) * decay1 + gradient * fresh1
            let second = load(secondMoments + i, lanes) * decay2 + gradient * gradient * fresh2
            let direction = first / (second.squareRoot() * rootScale + smallest)
            store(first, firstMoments + i, lanes)
            store(second, secondMoments + i, lanes)
            store(load(parameters + i, lanes) * keep - direction * stepSize, parameters + i, lanes)
        }
    }
}

/// Source: Chen et al., Symbolic Discovery of Optimization Algorithms (arXiv 2302.06675).
package struct Lion: Equatable, Sendable {
    package var beta1 = 0.9
    package var beta2 = 0.99
    package var weightDecay: Double

    package init(weightDecay: Double) {
        self.weightDecay = weightDecay
    }

    /// Updates `count` parameters in place. With g the gradient times `gradientScale`, and sign(0) = 0:
    ///
    ///     p = p (1 - rate weightDecay, if `decays`) - rate sign(beta1 m + (1 - beta1) g)
    ///     m = beta2 m + (1 - beta2) g
    package func update(
        _ parameters: UnsafeMutablePointer<Float>, gradients: UnsafePointer<Float>,
        moments: UnsafeMutablePointer<Float>, count: Int, rate: Double, gradientScale: Float, decays: Bool
    ) {
        let keep = Float(decays ? 1 - rate * weightDecay : 1)
        let (step, zero) = (Vector(repeating: Float(rate)), Vector.zero)
        let (share1, fresh1) = (Float(beta1), Float(1 - beta1))
        let (decay2, fresh2) = (Float(beta2), Float(1 - beta2))
        for (i, lanes) in Vectors(count) {
            let gradient = load(gradients + i, lanes) * gradientScale
            let moment = load(moments + i, lanes)
            let direction = moment * share1 + gradient * fresh1
            let move = zero.replacing(with: step, where: direction .> 0).replacing(with: -step, where: direction .< 0)
            store(moment * decay2 + gradient * fresh2, moments + i, lanes)
            store(load(parameters + i, lanes) * keep - move, parameters + i, lanes)
        }
    }
}
