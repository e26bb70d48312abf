/// Minimises a smooth function by L-BFGS.
///
/// Steps are halved until f(x + a d) <= f(x) + 1e-4 a d^T g, and a pair (s, y) is kept if s^T y > 0. The initial
/// inverse Hessian is B^-1 s^T y / (y^T B^-1 y), where the preconditioner B saves steps for correlated features.
/// Source: Nocedal and Wright, Numerical Optimization, algorithms 7.4 and 7.5.
enum LBFGS {
    /// The maximum number of pairs (s, y).
    private static let memory = 20
    private static let maximumSteps = 500
    /// Converged when no component of the gradient is larger in magnitude.
    private static let tolerance = 1e-5

    /// `function` returns its value and writes the gradient. `precondition` replaces v by B^-1 v.
    static func minimise(
        _ x: inout [Double], precondition: (inout [Double]) -> Void,
        _ function: ([Double], inout [Double]) -> Double
    ) {
        var gradient = [Double](repeating: 0, count: x.count)
        var value = function(x, &gradient)
        var pairs: [(s: [Double], y: [Double], curvature: Double)] = []
        for _ in 0..<maximumSteps {
            guard gradient.contains(where: { abs($0) > tolerance }) else { return }
            var direction = descent(gradient, pairs, precondition)
            var slope = dot(direction, gradient)
            if slope >= 0 {
                pairs = []
                direction = descent(gradient, pairs, precondition)
                slope = dot(direction, gradient)
            }
            var step = 1.0
            var (next, nextGradient, nextValue) = (x, gradient, value)
            var hasMoved = false
            for _ in 0..<30 {
                for i in x.indices { next[i] = x[i] + step * direction[i] }
                nextValue = function(next, &nextGradient)
                hasMoved = nextValue <= value + 1e-4 * step * slope
                if hasMoved { break }
                step /= 2
            }
            // Any further decrease is below the rounding error of the function.
            guard hasMoved else { return }
            let s = zip(next, x).map { $0 - $1 }
            let y = zip(nextGradient, gradient).map { $0 - $1 }
            let curvature = dot(s, y)
            if curvature > 1e-12 * dot(y, y) { pairs.append((s, y, curvature)) }
            if pairs.count > memory { pairs.removeFirst() }
            (x, gradient, value) = (next, nextGradient, nextValue)
        }
    }

    /// -H g by the two-loop recursion.
    private static func descent(
        _ gradient: [Double], _ pairs: [(s: [Double], y: [Double], curvature: Double)],
        _ precondition: (inout [Double]) -> Void
    ) -> [Double] {
        var q = gradient
        var weights: [Double] = []
        for pair in pairs.reversed() {
            let weight = dot(pair.s, q) / pair.curvature
            weights.append(weight)
            for i in q.indices { q[i] -= weight * pair.y[i] }
        }
        precondition(&q)
        if let last = pairs.last {
            var change = last.y
            precondition(&change)
            let scale = last.curvature / dot(last.y, change)
            for i in q.indices { q[i] *= scale }
        }
        for (pair, weight) in zip(pairs, weights.reversed()) {
            let correction = weight - dot(pair.y, q) / pair.curvature
            for i in q.indices { q[i] += correction * pair.s[i] }
        }
        return q.map(-)
    }
}

private func dot(_ a: [Double], _ b: [Double]) -> Double {
    var sum = 0.0
    for i in a.indices { sum += a[i] * b[i] }
    return sum
}
