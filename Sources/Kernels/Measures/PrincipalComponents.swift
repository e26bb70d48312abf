import COpenBLAS

// n rows of D values.

/// The directions in which rows differ most: the mean of n rows (n, D), and the eigenvectors of their covariance with the
/// largest eigenvalues.
package struct PrincipalComponents: Sendable {
    /// The mean of the rows, (D).
    package let mean: [Double]
    /// Orthonormal directions, the one of the largest variance first, (components, D). The entry of the largest magnitude is
    /// positive, so that signs are always the same.
    package let axes: [[Double]]
    /// The variance along each, divided by n.
    package let variances: [Double]
    /// The sum of the variances along all D directions.
    package let totalVariance: Double

    /// The first `components` of `rows`, which are all finite; nil where there are more components than values, or no rows.
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
        // The upper triangle by rows is the lower one by columns.
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

    /// Where `row` (D) lies along each axis, from the mean.
    package func project(_ row: UnsafePointer<Float>) -> [Double] {
        axes.map { axis in axis.indices.reduce(0) { $0 + axis[$1] * (Double(row[$1]) - mean[$1]) } }
    }
}
