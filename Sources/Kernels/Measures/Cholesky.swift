import COpenBLAS

/// Replaces the upper half of the positive definite `matrix` (side, side) by its Cholesky factor; false where it has none.
package func factorCholesky(_ matrix: UnsafeMutablePointer<Double>, side: Int) -> Bool {
    var (n, info) = (Int32(side), Int32(0))
    // The upper half by rows is the lower one by columns.
    dpotrf_("L", &n, matrix, &n, &info, 1)
    return info == 0
}

/// Replaces each of the `count` rows b of `rows` (count, side) by the solution of M x = b, where `factor` is what
/// `factorCholesky` made of M.
package func solveCholesky(
    _ factor: UnsafePointer<Double>, side: Int, _ rows: UnsafeMutablePointer<Double>, count: Int
) {
    var (n, columns, info) = (Int32(side), Int32(count), Int32(0))
    dpotrs_("L", &n, &columns, factor, &n, rows, &n, &info, 1)
}
