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
}

/// r = x - x W^T;  y = relu(x + eta r W - eta lambda).
///
/// x, residual (r, kept for the backward pass), y: (M, D), different memory.
public func ista(
    _ x: UnsafeMutablePointer<Float>, dictionary: UnsafeMutablePointer<Float>, step: IstaStep, rows: Int, dim: Int,
    residual: UnsafeMutablePointer<Float>, into y: UnsafeMutablePointer<Float>
) {
    let (input, weight) = (Matrix(x, rows, dim), Matrix(dictionary, dim, dim))
    residual.update(from: x, count: rows * dim)
    multiply(input, weight.transposed, into: Matrix(residual, rows, dim), scale: -1, isAdding: true)
    multiply(Matrix(residual, rows, dim), weight, into: Matrix(y, rows, dim), scale: step.size)
    let threshold = step.size * step.lambda
    let count = rows &* dim
    var i = 0
    while i < count {
        let lanes = count &- i
        let value = load(y + i, lanes) + load(x + i, lanes) - threshold
        store(value.replacing(with: 0, where: value .<= 0), y + i, lanes)
        i &+= 16
    }
}

/// Backward of `ista`. With e = dy * [y > 0] and q = eta e W^T:
///
///     dx = e + q - q W;  dW += eta r^T e - q^T x
///
/// dy becomes e; dx and q (M, D) are overwritten. The gradient of W, a sum over all rows, is left to the caller, who
/// may have rows of other threads to add.
public func istaBackward(
    _ dy: UnsafeMutablePointer<Float>, dictionary: UnsafeMutablePointer<Float>, y: UnsafePointer<Float>,
    step: IstaStep, rows: Int, dim: Int, into dx: UnsafeMutablePointer<Float>, q: UnsafeMutablePointer<Float>
) {
    let weight = Matrix(dictionary, dim, dim)
    let (masked, reduced) = (Matrix(dy, rows, dim), Matrix(q, rows, dim))
    let count = rows &* dim
    var i = 0
    while i < count {
        let lanes = count &- i
        store(load(dy + i, lanes).replacing(with: 0, where: load(y + i, lanes) .<= 0), dy + i, lanes)
        i &+= 16
    }
    multiply(masked, weight.transposed, into: reduced, scale: step.size)
    add(dy, q, sign: 1, count: count, into: dx)
    multiply(reduced, weight, into: Matrix(dx, rows, dim), scale: -1, isAdding: true)
}
