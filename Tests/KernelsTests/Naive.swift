// The formulas of the kernels in Double without any optimisation, and their gradients by central differences.

struct Grid {
    var rows: Int
    var columns: Int
    var values: [Double]

    init(_ rows: Int, _ columns: Int, _ values: [Double]) {
        precondition(values.count == rows * columns)
        (self.rows, self.columns, self.values) = (rows, columns, values)
    }

    init(_ rows: Int, _ columns: Int, element: (Int, Int) -> Double) {
        self.init(rows, columns, (0..<rows * columns).map { element($0 / columns, $0 % columns) })
    }

    subscript(_ row: Int, _ column: Int) -> Double { values[row * columns + column] }

    var transposed: Grid { Grid(columns, rows) { self[$1, $0] } }

    static func * (a: Grid, b: Grid) -> Grid {
        Grid(a.rows, b.columns) { i, j in (0..<a.columns).reduce(0) { $0 + a[i, $1] * b[$1, j] } }
    }

    static func + (a: Grid, b: Grid) -> Grid { Grid(a.rows, a.columns) { a[$0, $1] + b[$0, $1] } }
    static func - (a: Grid, b: Grid) -> Grid { a + (-1) * b }
    static func * (factor: Double, a: Grid) -> Grid { Grid(a.rows, a.columns) { factor * a[$0, $1] } }
}

enum Naive {
    static func layerNorm(_ x: Grid, weight: [Double], bias: [Double], epsilon: Double) -> Grid {
        let statistics = (0..<x.rows).map { row in
            let line = (0..<x.columns).map { x[row, $0] }
            let mean = line.reduce(0, +) / Double(x.columns)
            let variance = line.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(x.columns)
            return (mean, 1 / (variance + epsilon).squareRoot())
        }
        return Grid(x.rows, x.columns) { i, j in
            (x[i, j] - statistics[i].0) * statistics[i].1 * weight[j] + bias[j]
        }
    }

    static func softmax(_ s: Grid) -> Grid {
        let sums = (0..<s.rows).map { row in
            (0..<s.columns).reduce(0) { $0 + exponential(s[row, $1] - s[row, row]) }
        }
        return Grid(s.rows, s.columns) { exponential(s[$0, $1] - s[$0, $0]) / sums[$0] }
    }

    /// softmax(U U^T / sqrt(P)) U for one head of one image, U (T, P).
    static func attention(_ u: Grid) -> Grid {
        softmax((1 / Double(u.columns).squareRoot()) * (u * u.transposed)) * u
    }

    static func ista(_ x: Grid, _ w: Grid, size: Double, lambda: Double) -> Grid {
        let y = x + size * ((x - x * w.transposed) * w)
        return Grid(x.rows, x.columns) { max(0, y[$0, $1] - size * lambda) }
    }

    /// The mean squared error, summed over the hidden patches. Prediction and target are (L, V).
    static func loss(_ prediction: Grid, _ target: Grid, hidden: [Bool], normalises: Bool) -> Double {
        (0..<target.rows).filter { hidden[$0] }.reduce(0.0) { total, patch in
            var line = (0..<target.columns).map { target[patch, $0] }
            if normalises {
                let mean = line.reduce(0, +) / Double(line.count)
                let variance = line.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(line.count - 1)
                line = line.map { ($0 - mean) / (variance + 1e-6).squareRoot() }
            }
            let squares = line.enumerated().reduce(0) { sum, value in
                sum + (prediction[patch, value.offset] - value.element)
                    * (prediction[patch, value.offset] - value.element)
            }
            return total + squares / Double(line.count)
        }
    }

    /// d f / d x by central differences.
    static func gradient(_ x: [Double], step: Double = 1e-5, _ f: ([Double]) -> Double) -> [Double] {
        x.indices.map { index in
            var (above, below) = (x, x)
            above[index] += step
            below[index] -= step
            return (f(above) - f(below)) / (2 * step)
        }
    }
}
