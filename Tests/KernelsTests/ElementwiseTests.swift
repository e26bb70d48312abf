import Base
import Kernels
import Testing

@Suite struct ElementwiseTests {
    @Test(arguments: [1, 15, 16, 17, 40])
    func rowsColumnsAndSquaresMatchTheNaiveResults(dim: Int) throws {
        let rows = 3
        let (x, bias) = (Values(rows * dim, key: 1), Values(dim, key: 2))
        let result = try OwnedBuffer<Float>(count: rows * dim)
        addRow(x.floats, bias: bias.floats, sign: -1, rows: rows, dim: dim, into: result.pointer)
        let grid = Grid(rows, dim, x.doubles)
        #expect(relativeError(copy(result), Grid(rows, dim) { grid[$0, $1] - bias.doubles[$1] }.values) < 1e-6)

        let sums = try buffer(bias.floats)
        addColumnSums(x.floats, sign: -1, rows: rows, columns: dim, stride: dim, to: sums.pointer)
        let expected = (0..<dim).map { column in
            bias.doubles[column] - (0..<rows).reduce(0) { $0 + grid[$1, column] }
        }
        #expect(relativeError(copy(sums), expected) < 1e-6)

        for format in [OperandFormat.float32, .bfloat16, .roundedFloat32] {
            let other = try OperandBuffer(Values(rows * dim, key: 3).floats, format)
            add(x.floats, other.operand, count: rows * dim, into: result.pointer)
            #expect(relativeError(copy(result), zip(x.doubles, other.doubles).map(+)) < 1e-6)
        }
        #expect(relativeError([sumOfSquares(x.floats, count: rows * dim)], [dot(x.doubles, x.doubles)]) < 1e-6)
    }

    @Test func sumOfSquaresOfManyValuesIsExact() {
        let ones = [Float](repeating: 1, count: 20_000_001)
        #expect(sumOfSquares(ones, count: ones.count) == 20_000_001)
    }
}
