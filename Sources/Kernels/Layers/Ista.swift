// M rows, D channels, W a (D, D) dictionary. One proximal gradient step toward a sparse non-negative code.

/// The constants of an ISTA step.
package struct IstaStep: Equatable, Sendable {
    /// The step size, eta.
    package let size: Float
    /// The weight of the sparsity penalty, lambda.
    package let lambda: Float

    /// A step of size `size` (eta) under the penalty `lambda`.
    package init(size: Float, lambda: Float) {
        self.size = size
        self.lambda = lambda
    }
}

/// G = eta (W - W^T W), so that x + eta (x - x W^T) W = x + x G: the two products of a gradient step are one, at the cost
/// of one product (D, D) by (D, D) a step of the optimiser.
///
/// dictionary (W), map (G), scratch: (D, D), different memory.
package func istaMap(
    _ dictionary: UnsafeMutablePointer<Float>, step: IstaStep, dim: Int, into map: Operand,
    scratch: UnsafeMutablePointer<Float>
) {
    let weight = Matrix(dictionary, dim, dim)
    scale(dictionary, by: step.size, count: dim * dim, into: scratch)
    multiply(weight.transposed, weight, into: Matrix(scratch, dim, dim), scale: -step.size, isAdding: true)
    convert(scratch, count: dim * dim, into: map)
}

/// The first half of the backward of `istaMap`: `rows` of dG + dG^T into `sum`. All (D, D), different memory.
package func istaMapBackwardSum(
    _ gradient: UnsafePointer<Float>, rows: Range<Int>, dim: Int, into sum: UnsafeMutablePointer<Float>
) {
    for row in rows {
        for column in 0..<dim {
            sum[row &* dim &+ column] = gradient[row &* dim &+ column] + gradient[column &* dim &+ row]
        }
    }
}

/// The second half, in place of dG, when the whole `sum` (dG + dG^T) is there: `rows` of dW = eta (dG - W (dG + dG^T)).
///
/// gradient (dG, then dW), dictionary (W), sum: (D, D), different memory.
package func istaMapBackward(
    _ gradient: UnsafeMutablePointer<Float>, dictionary: UnsafeMutablePointer<Float>, step: IstaStep,
    rows: Range<Int>, dim: Int, sum: UnsafeMutablePointer<Float>
) {
    guard !rows.isEmpty else { return }
    let own = gradient + rows.lowerBound * dim
    scale(own, by: step.size, count: rows.count * dim, into: own)
    multiply(
        Matrix(dictionary + rows.lowerBound * dim, rows.count, dim), Matrix(sum, dim, dim),
        into: Matrix(own, rows.count, dim), scale: -step.size, isAdding: true)
}

/// y = relu(x + eta (x - x W^T) W - eta lambda) = relu(x + x G - eta lambda), x the output of a layer norm.
///
/// x (M, D) and map (G, see `istaMap`) are factors of one format; `rows` gives x once more, without rounding; y: (M, D).
package func ista(
    _ x: Operand, _ rows: NormalisedRows, map: Operand, step: IstaStep, into y: UnsafeMutablePointer<Float>
) {
    let dim = rows.dim
    multiply(Matrix(x, rows.rows, dim), Matrix(map, dim, dim), into: Matrix(y, rows.rows, dim))
    let threshold = step.size * step.lambda
    for index in 0..<rows.rows {
        let row = rows.row(index)
        let result = y + index &* dim
        var i = 0
        while i < dim {
            let lanes = dim &- i
            let value = load(result + i, lanes) + row.output(i, lanes) - threshold
            store(value.replacing(with: 0, where: value .<= 0), result + i, lanes)
            i &+= 16
        }
    }
}

/// Backward of `ista`: e = dy * [y > 0]; dx = e + e G^T. The gradient of G, x^T e, a sum over all rows, is left to the
/// caller, who may have rows of other threads to add.
///
/// dy becomes e; `factor` (M, D), of the map's format, too, unless it is dy; `product` is overwritten with e G^T.
package func istaBackward(
    _ dy: UnsafeMutablePointer<Float>, map: Operand, y: UnsafePointer<Float>, rows: Int, dim: Int, factor: Operand,
    product: Operand
) {
    let count = rows &* dim
    var i = 0
    while i < count {
        let lanes = count &- i
        store(load(dy + i, lanes).replacing(with: 0, where: load(y + i, lanes) .<= 0), dy + i, lanes)
        i &+= 16
    }
    if factor.memory != UnsafeMutableRawPointer(dy) { convert(dy, count: count, into: factor) }
    multiply(Matrix(factor, rows, dim), Matrix(map, dim, dim).transposed, into: Matrix(product, rows, dim))
}
