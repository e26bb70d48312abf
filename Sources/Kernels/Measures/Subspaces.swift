// H subspaces of P rows each in D dimensions, stacked as a matrix (H P, D).

/// Orthonormalises the rows (rows, dim), Gram-Schmidt with reorthogonalisation. Linearly dependent rows become zero.
package func orthonormaliseRows(_ matrix: UnsafeMutablePointer<Float>, rows: Int, dim: Int) {
    for index in 0..<rows {
        let row = matrix + index &* dim
        let before = sumOfSquares(row, count: dim)
        for _ in 0..<2 {
            for earlier in 0..<index {
                let direction = matrix + earlier &* dim
                add(row, direction, sign: -dot(direction, row, count: dim), count: dim, into: row)
            }
        }
        let left = sumOfSquares(row, count: dim)
        // A smaller remainder is only rounding error.
        scale(row, by: left > 1e-10 * before ? Float(1 / left.squareRoot()) : 0, count: dim, into: row)
    }
}

/// The overlap of the subspaces: the mean squared cosine between orthonormal basis vectors of different subspaces,
///
///     sum over h != k of ||Q_h Q_k^T||_F^2 / (H (H - 1) P)
///
/// 0 for orthogonal subspaces, 1 for equal ones, and P / D on average for random ones. A single subspace gives 0.
///
/// The rows of `bases` (H P, D) span the subspaces and are replaced by orthonormal rows Q. `products` (P, P) is
/// scratch.
package func subspaceOverlap(
    _ bases: UnsafeMutablePointer<Float>, subspaces: Int, rows: Int, dim: Int, products: UnsafeMutablePointer<Float>
) -> Double {
    guard subspaces > 1 else { return 0 }
    func basis(_ index: Int) -> UnsafeMutablePointer<Float> { bases + index * rows * dim }
    for index in 0..<subspaces { orthonormaliseRows(basis(index), rows: rows, dim: dim) }
    var sum = 0.0
    for second in 1..<subspaces {
        for first in 0..<second {
            multiply(
                Matrix(basis(first), rows, dim), Matrix(basis(second), rows, dim).transposed,
                into: Matrix(products, rows, rows))
            sum += 2 * sumOfSquares(products, count: rows * rows)
        }
    }
    return sum / Double(subspaces * (subspaces - 1) * rows)
}

/// The distance of the columns of a dictionary W (D, D) from orthonormality: ||W^T W - I||_F / sqrt(D).
///
/// `products` is scratch, (D, D).
package func dictionaryCoherence(
    _ dictionary: UnsafeMutablePointer<Float>, dim: Int, products: UnsafeMutablePointer<Float>
) -> Double {
    let weight = Matrix(dictionary, dim, dim)
    multiply(weight.transposed, weight, into: Matrix(products, dim, dim))
    for index in 0..<dim { products[index &* (dim &+ 1)] -= 1 }
    return (sumOfSquares(products, count: dim * dim) / Double(dim)).squareRoot()
}

@inline(__always)
private func dot(_ x: UnsafePointer<Float>, _ y: UnsafePointer<Float>, count: Int) -> Float {
    var total = Vector.zero
    for (i, lanes) in Vectors(count) { total += load(x + i, lanes) * load(y + i, lanes) }
    return total.sum()
}
