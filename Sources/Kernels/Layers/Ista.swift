// M rows, D channels, W (D, D) the dictionary. ISTA: one proximal gradient step towards a sparse non-negative code.

package struct IstaStep: Equatable, Sendable {
    /// The step size, eta.
    package let size: Float
    package let lambda: Float

    package init(size: Float, lambda: Float) {
        self.size = size
        self.lambda = lambda
    }
}

/// G = eta (W - W^T W), so that x + eta (x - x W^T) W = x + x G. This replaces two products per gradient step by one,
/// at the cost of one (D, D) by (D, D) product per optimiser step.
///
/// dictionary (W), map (G) and scratch are (D, D) and must not overlap.
package func istaMap(
    _ dictionary: UnsafeMutablePointer<Float>, step: IstaStep, dim: Int, into map: Operand,
    scratch: UnsafeMutablePointer<Float>
) {
    let weight = Matrix(dictionary, dim, dim)
    scale(dictionary, by: step.size, count: dim * dim, into: scratch)
    multiply(weight.transposed, weight, into: Matrix(scratch, dim, dim), scale: -step.size, isAdding: true)
    convert(scratch, count: dim * dim, into: map)
}

/// First part of the backward pass of `istaMap`: writes `rows` of dG + dG^T to `sum`. Both are (D, D), without overlap.
package func istaMapBackwardSum(
    _ gradient: UnsafePointer<Float>, rows: Range<Int>, dim: Int, into sum: UnsafeMutablePointer<Float>
) {
    for row in rows {
        for column in 0..<dim {
            sum[row &* dim &+ column] = gradient[row &* dim &+ column] + gradient[column &* dim &+ row]
        }
    }
}

/// Second part, after all rows of `sum` are complete: replaces `rows` of dG by those of dW = eta (dG - W (dG + dG^T)).
///
/// gradient (dG, then dW), dictionary (W) and sum are (D, D) and must not overlap.
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

/// y = relu(x + eta (x - x W^T) W - eta lambda) = relu(x + x G - eta lambda), where x is the output of a layer norm.
///
/// x (M, D) and map (G, see `istaMap`) have the same format. The skip connection uses the unrounded x, recomputed from
/// `rows`. y is (M, D).
package func ista(
    _ x: Operand, _ rows: NormalisedRows, map: Operand, step: IstaStep, into y: UnsafeMutablePointer<Float>
) {
    let dim = rows.dim
    multiply(Matrix(x, rows.rows, dim), Matrix(map, dim, dim), into: Matrix(y, rows.rows, dim))
    let threshold = step.size * step.lambda
    for index in 0..<rows.rows {
        let row = rows.row(index)
        let result = y + index &* dim
        for (i, lanes) in Vectors(dim) {
            let value = load(result + i, lanes) + row.output(i, lanes) - threshold
            store(value.replacing(with: 0, where: value .<= 0), result + i, lanes)
        }
    }
}

/// Backward pass of `ista`: e = dy * [y > 0], dx = e + e G^T. The caller computes the gradient of G, x^T e, because it
/// is a sum over the rows of all threads.
///
/// dy is overwritten with e, and `product` with e G^T. `factor` (M, D) receives e in the format of `map`; it may be dy.
package func istaBackward(
    _ dy: UnsafeMutablePointer<Float>, map: Operand, y: UnsafePointer<Float>, rows: Int, dim: Int, factor: Operand,
    product: Operand
) {
    let count = rows &* dim
    for (i, lanes) in Vectors(count) {
        store(load(dy + i, lanes).replacing(with: 0, where: load(y + i, lanes) .<= 0), dy + i, lanes)
    }
    if factor.memory != UnsafeMutableRawPointer(dy) { convert(dy, count: count, into: factor) }
    multiply(Matrix(factor, rows, dim), Matrix(map, dim, dim).transposed, into: Matrix(product, rows, dim))
}
