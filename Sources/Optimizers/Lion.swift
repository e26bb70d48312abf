import Kernels

/// The settings of Lion: Chen et al., Symbolic Discovery of Optimization Algorithms (arXiv 2302.06675).
package struct Lion: Equatable, Sendable {
    /// Share of the moment in the direction of a step.
    package var beta1 = 0.9
    /// Decay of the moment.
    package var beta2 = 0.99
    /// Decoupled weight decay.
    package var weightDecay: Double

    /// Lion with betas 0.9 and 0.99.
    package init(weightDecay: Double) {
        self.weightDecay = weightDecay
    }

    /// One update of `count` parameters in place. With g the gradient times `gradientScale`, and sign(0) = 0:
    ///
    ///     p = p (1 - rate weightDecay, when `decays`) - rate sign(beta1 m + (1 - beta1) g)
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
