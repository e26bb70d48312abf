/// Minimises a smooth function by L-BFGS.
///
/// Source: Nocedal and Wright, Numerical Optimization, algorithms 7.4 and 7.5. Steps are halved until
/// f(x + a d) <= f(x) + 1e-4 a d^T g, and a pair (s, y) is kept where s^T y > 0. The first guess of the inverse Hessian is
/// B^-1 s^T y / (y^T B^-1 y) with a matrix B that the caller knows, which saves steps where the features are correlated.
enum LBFGS {
    /// Pairs that are remembered.
    private static let memory = 20
    /// Steps at the most.
    private static let iterations = 500
    /// Ends when the largest part of the gradient is at most this.
    private static let tolerance = 1e-5

    /// Moves `x` to a minimum of `function`, which returns the value and writes the gradient; `precondition` replaces v by B^-1 v.
    static func minimise(
        _ x: inout [Double], precondition: (inout [Double]) -> Void,
        _ function: ([Double], inout [Double]) -> Double
    ) {
        var gradient = [Double](repeating: 0, count: x.count)
        var value = function(x, &gradient)
        var pairs: [(s: [Double], y: [Double], curvature: Double)] = []
        for _ in 0..<iterations {
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
            // Below what the function's rounding tells apart.
            guard hasMoved else { return }
            let s = zip(next, x).map { $0 - $1 }
            let y = zip(nextGradient, gradient).map { $0 - $1 }
            let curvature = dot(s, y)
            if curvature > 1e-12 * dot(y, y) { pairs.append((s, y, curvature)) }
            if pairs.count > memory { pairs.removeFirst() }
            (x, gradient, value) = (next, nextGradient, nextValue)
        }
    }

    /// -H g by the two loops over the remembered pairs.
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

func dot(_ a: [Double], _ b: [Double]) -> Double {
    var sum = 0.0
    for i in a.indices { sum += a[i] * b[i] }
    return sum
}
