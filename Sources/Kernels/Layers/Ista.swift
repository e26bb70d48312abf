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
/// dictionary (W) and map (G) are (D, D) and must not overlap. `scratch`: `productScratchCount` floats.
package func istaMap(
    _ dictionary: UnsafeMutablePointer<Float>, step: IstaStep, dim: Int, into map: UnsafeMutablePointer<Float>,
    scratch: UnsafeMutablePointer<Float>, _ backend: ProductBackend
) {
    let weight = Matrix(dictionary, dim, dim)
    map.update(repeating: 0, count: dim * dim)
    addProduct(weight.transposed, weight, to: Matrix(map, dim, dim), scratch: scratch, backend)
    for (i, lanes) in Vectors(dim * dim) {
        store((load(dictionary + i, lanes) - load(map + i, lanes)) * step.size, map + i, lanes)
    }
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
/// gradient (dG, then dW), dictionary (W) and sum are (D, D) and must not overlap. `scratch`: `productScratchCount` floats.
package func istaMapBackward(
    _ gradient: UnsafeMutablePointer<Float>, dictionary: UnsafeMutablePointer<Float>, step: IstaStep,
    rows: Range<Int>, dim: Int, sum: UnsafeMutablePointer<Float>, scratch: UnsafeMutablePointer<Float>,
    _ backend: ProductBackend
) {
    let (own, count) = (gradient + rows.lowerBound * dim, rows.count * dim)
    scale(own, by: -1, count: count, into: own)
    addProduct(
        Matrix(dictionary + rows.lowerBound * dim, rows.count, dim), Matrix(sum, dim, dim),
        to: Matrix(own, rows.count, dim), scratch: scratch, backend)
    scale(own, by: -step.size, count: count, into: own)
}

/// y = relu(x + eta (x - x W^T) W - eta lambda) = relu(x + x G - eta lambda), where x is the output of a layer norm.
///
/// x (M, D) and map (G, see `istaMap`) have the same format. The skip connection uses the unrounded x, recomputed from
/// `rows`. y is (M, D).
package func ista(
    _ x: Operand, _ rows: NormalisedRows, map: PackedMatrix, step: IstaStep, into y: UnsafeMutablePointer<Float>
) {
    let dim = rows.dim
    multiply(Matrix(x, rows.rows, dim), map, into: Matrix(y, rows.rows, dim))
    kernels.add_norm_and_threshold(
        rows.x, rows.weight, rows.bias, rows.mean, rows.inverseDeviation, Int32(rows.rows), Int32(dim),
        step.size * step.lambda, y)
}

/// Backward pass of `ista`: e = dy * [y > 0], dx = e + e G^T. The caller computes the gradient of G, x^T e, because it
/// is a sum over the rows of all threads.
///
/// dy is overwritten with e, and `product` with e G^T. `factor` (M, D) receives e in the format of `transposedMap`, which
/// is G^T; it may be dy. `next` is memory that is read next, and fetched into the cache meanwhile.
package func istaBackward(
    _ dy: UnsafeMutablePointer<Float>, transposedMap: PackedMatrix, y: UnsafePointer<Float>, rows: Int, dim: Int,
    factor: Operand, product: Operand, next: UnsafeRawBufferPointer? = nil
) {
    kernels.mask(factor.format.elements, dy, y, rows * dim, factor.memory)
    multiply(Matrix(factor, rows, dim), transposedMap, into: Matrix(product, rows, dim), next: next)
}
