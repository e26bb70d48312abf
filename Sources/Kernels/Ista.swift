// M rows, D channels, W a (D, D) dictionary. One proximal gradient step toward a sparse non-negative code.

/// The constants of an ISTA step.
public struct IstaStep: Equatable, Sendable {
    /// The step size, eta.
    public let size: Float
    /// The weight of the sparsity penalty, lambda.
    public let lambda: Float

    /// A step of size `size` (eta) under the penalty `lambda`.
    public init(size: Float, lambda: Float) {
        self.size = size
        self.lambda = lambda
    }

    /// What a code must exceed to be kept, eta lambda.
    var threshold: Float { size * lambda }
}

/// B = I + eta (W - W^T W), so that x + eta (x - x W^T) W = x B: the two products of a gradient step are one, at the cost
/// of one product (D, D) by (D, D) a step of the optimiser.
///
/// dictionary (W) and map (B): (D, D), different memory.
public func istaMap(
    _ dictionary: UnsafeMutablePointer<Float>, step: IstaStep, dim: Int, into map: UnsafeMutablePointer<Float>
) {
    let weight = Matrix(dictionary, dim, dim)
    scale(dictionary, by: step.size, count: dim * dim, into: map)
    multiply(weight.transposed, weight, into: Matrix(map, dim, dim), scale: -step.size, isAdding: true)
    for i in 0..<dim { map[i &* dim &+ i] += 1 }
}

/// Backward of `istaMap`, in place of dB: dW = eta (dB - W (dB + dB^T)).
///
/// gradient (dB, then dW), dictionary (W), scratch: (D, D), different memory.
public func istaMapBackward(
    _ gradient: UnsafeMutablePointer<Float>, dictionary: UnsafeMutablePointer<Float>, step: IstaStep, dim: Int,
    scratch: UnsafeMutablePointer<Float>
) {
    for row in 0..<dim {
        for column in 0..<dim {
            scratch[row &* dim &+ column] = gradient[row &* dim &+ column] + gradient[column &* dim &+ row]
        }
    }
    scale(gradient, by: step.size, count: dim * dim, into: gradient)
    multiply(
        Matrix(dictionary, dim, dim), Matrix(scratch, dim, dim), into: Matrix(gradient, dim, dim), scale: -step.size,
        isAdding: true)
}

/// y = relu(x + eta (x - x W^T) W - eta lambda) = relu(x B - eta lambda).
///
/// x, y: (M, D), different memory; map (B): see `istaMap`.
public func ista(
    _ x: UnsafeMutablePointer<Float>, map: UnsafeMutablePointer<Float>, step: IstaStep, rows: Int, dim: Int,
    into y: UnsafeMutablePointer<Float>
) {
    multiply(Matrix(x, rows, dim), Matrix(map, dim, dim), into: Matrix(y, rows, dim))
    let threshold = step.threshold
    let count = rows &* dim
    var i = 0
    while i < count {
        let lanes = count &- i
        let value = load(y + i, lanes) - threshold
        store(value.replacing(with: 0, where: value .<= 0), y + i, lanes)
        i &+= 16
    }
}

/// Backward of `ista`: e = dy * [y > 0]; dx = e B^T. The gradient of B, x^T e, a sum over all rows, is left to the
/// caller, who may have rows of other threads to add.
///
/// dy becomes e; dx (M, D) is overwritten.
public func istaBackward(
    _ dy: UnsafeMutablePointer<Float>, map: UnsafeMutablePointer<Float>, y: UnsafePointer<Float>, rows: Int, dim: Int,
    into dx: UnsafeMutablePointer<Float>
) {
    let count = rows &* dim
    var i = 0
    while i < count {
        let lanes = count &- i
        store(load(dy + i, lanes).replacing(with: 0, where: load(y + i, lanes) .<= 0), dy + i, lanes)
        i &+= 16
    }
    multiply(Matrix(dy, rows, dim), Matrix(map, dim, dim).transposed, into: Matrix(dx, rows, dim))
}
