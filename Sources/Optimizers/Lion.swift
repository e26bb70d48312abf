import Kernels

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
        var i = 0
        while i < count {
            let lanes = count &- i
            let gradient = load(gradients + i, lanes) * gradientScale
            let moment = load(moments + i, lanes)
            let direction = moment * share1 + gradient * fresh1
            let move = zero.replacing(with: step, where: direction .> 0).replacing(with: -step, where: direction .< 0)
            store(moment * decay2 + gradient * fresh2, moments + i, lanes)
            store(load(parameters + i, lanes) * keep - move, parameters + i, lanes)
            i &+= 16
        }
    }
}
