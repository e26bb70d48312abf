import COpenBLAS

// n rows of D values. LAPACK is column-major, so the upper triangle of a row-major matrix is its lower one.

/// Replaces the upper triangle of `matrix` (side, side) by its Cholesky factor. Returns false if not positive definite.
package func factorCholesky(_ matrix: UnsafeMutablePointer<Double>, side: Int) -> Bool {
    var (n, info) = (Int32(side), Int32(0))
    dpotrf_("L", &n, matrix, &n, &info, 1)
    return info == 0
}

/// Replaces each row b of `rows` (count, side) by the solution x of M x = b, where `factor` is the result of
/// `factorCholesky` for M.
package func solveCholesky(
    _ factor: UnsafePointer<Double>, side: Int, _ rows: UnsafeMutablePointer<Double>, count: Int
) {
    var (n, columns, info) = (Int32(side), Int32(count), Int32(0))
    dpotrs_("L", &n, &columns, factor, &n, rows, &n, &info, 1)
}

/// Principal component analysis of n rows (n, D).
package struct PrincipalComponents: Sendable {
    /// The mean of the rows, (D).
    package let mean: [Double]
    /// Orthonormal directions in order of decreasing variance, (components, D). The entry of largest magnitude is
    /// positive, which makes the signs unique.
    package let axes: [[Double]]
    /// The variance along each axis, divided by n.
    package let variances: [Double]
    /// The sum of the variances along all D directions.
    package let totalVariance: Double

    /// Requires finite `rows`. Returns nil if there are no rows or fewer than `components` values in a row.
    package init?(_ rows: [Float], dim: Int, components: Int) {
        let count = rows.count / max(1, dim)
        guard count > 0, components > 0, components <= dim, rows.count == count * dim else { return nil }
        var mean = [Double](repeating: 0, count: dim)
        for row in 0..<count { for i in 0..<dim { mean[i] += Double(rows[row * dim + i]) } }
        for i in 0..<dim { mean[i] /= Double(count) }
        let centred = (0..<rows.count).map { Double(rows[$0]) - mean[$0 % dim] }
        var matrix = [Double](repeating: 0, count: dim * dim)
        cblas_dsyrk(
            CblasRowMajor, CblasUpper, CblasTrans, blasint(dim), blasint(count), 1 / Double(count), centred,
            blasint(dim), 0, &matrix, blasint(dim))
        var values = [Double](repeating: 0, count: dim)
        var (n, info) = (Int32(dim), Int32(0))
        var room = Int32(34 * dim)
        var work = [Double](repeating: 0, count: Int(room))
        dsyev_("V", "L", &n, &matrix, &n, &values, &work, &room, &info, 1, 1)
        guard info == 0 else { return nil }
        self.mean = mean
        axes = (0..<components).map { component in
            let start = (dim - 1 - component) * dim
            let axis = Array(matrix[start..<start + dim])
            let largest = axis.max { abs($0) < abs($1) } ?? 0
            return largest < 0 ? axis.map { -$0 } : axis
        }
        totalVariance = values.reduce(0, +)
        variances = (0..<components).map { values[dim - 1 - $0] }
    }

    /// The coordinates of `row` (D) along the axes, relative to the mean.
    package func project(_ row: UnsafePointer<Float>) -> [Double] {
        axes.map { axis in axis.indices.reduce(0) { $0 + axis[$1] * (Double(row[$1]) - mean[$1]) } }
    }
}
