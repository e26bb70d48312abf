import Base
import Kernels

// n samples x with D features and a constant 1, C classes.

/// An upper bound of the Hessian of a `SoftmaxRegression`, the same for each class:
///
///     B = 1 / (2 n) sum_i x_i x_i^T + decay I
///
/// A small value is added to the diagonal, so that B is positive definite for linearly dependent features.
/// Source: Boehning, Multinomial logistic regression algorithm (1992): H <= (I - 1 1^T / C) / 2 x (x x^T).
struct CurvatureBound {
    private let classes, side: Int
    private let factor: [Double]  // the Cholesky factor of B (D + 1, D + 1)

    /// Throws `Failure` if there is not enough memory.
    init(_ features: LabelledFeatures, decay: Double, team: ThreadTeam) throws {
        let (dim, count) = (features.dim, features.count)
        let side = dim + 1
        var memory = Arena()
        let sums = try (0..<LabelledFeatures.stripCount).map { _ in
            (products: try memory.floats(dim * dim), columns: try memory.floats(dim))
        }
        team.run { thread in
            useSingleThreadedProducts()
            for index in team.part(thread, of: sums.count) {
                let (rows, sum) = (features.strip(index), sums[index])
                let values = features[rows.lowerBound]
                let matrix = Matrix(values, rows.count, dim)
                multiply(matrix.transposed, matrix, into: Matrix(sum.products, dim, dim))
                sum.columns.update(repeating: 0, count: dim)
                addColumnSums(values, sign: 1, rows: rows.count, columns: dim, stride: dim, to: sum.columns)
            }
        }
        var bound = [Double](repeating: 0, count: side * side)
        func add(_ value: Float, _ row: Int, _ column: Int) {
            bound[row * side + column] += Double(value) / (2 * Double(count))
        }
        for sum in sums {
            for row in 0..<dim {
                for column in row..<dim { add(sum.products[row * dim + column], row, column) }
                add(sum.columns[row], row, dim)
            }
        }
        bound[side * side - 1] = 0.5
        for i in 0..<side { bound[i * side + i] += (i < dim ? decay : 0) + 1e-6 }
        if !factorCholesky(&bound, side: side) {
            // B is not finite. Fall back to the identity.
            for i in 0..<side * side { bound[i] = i % (side + 1) == 0 ? 1 : 0 }
        }
        self.side = side
        classes = features.classes
        factor = bound
    }

    /// Multiplies `vector`, W (C, D) followed by b (C), by B^-1 for each class.
    func solve(_ vector: inout [Double]) {
        let dim = side - 1
        var rows = [Double](repeating: 0, count: classes * side)
        for c in 0..<classes {
            for i in 0..<dim { rows[c * side + i] = vector[c * dim + i] }
            rows[c * side + dim] = vector[classes * dim + c]
        }
        solveCholesky(factor, side: side, &rows, count: classes)
        for c in 0..<classes {
            for i in 0..<dim { vector[c * dim + i] = rows[c * side + i] }
            vector[classes * dim + c] = rows[c * side + dim]
        }
    }
}
