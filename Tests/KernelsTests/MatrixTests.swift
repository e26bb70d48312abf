import Base
import Kernels
import Testing

@Suite struct MatrixTests {
    @Test(arguments: [(3, 5, 7), (16, 16, 16), (33, 1, 20), (1, 40, 2), (5, 4, 200)])
    func productsMatchTheNaiveVersion(m: Int, n: Int, k: Int) throws {
        for (aTransposed, bTransposed) in [(false, false), (true, false), (false, true), (true, true)] {
            let (a, b, c) = (Values(m * k, key: 1), Values(k * n, key: 2), Values(m * n, key: 3))
            let aBuffer = try buffer(a.floats)
            let bBuffer = try buffer(b.floats)
            let result = try buffer(c.floats)
            let aView = aTransposed ? Matrix(aBuffer.pointer, k, m).transposed : Matrix(aBuffer.pointer, m, k)
            let bView = bTransposed ? Matrix(bBuffer.pointer, n, k).transposed : Matrix(bBuffer.pointer, k, n)
            multiply(aView, bView, into: Matrix(result.pointer, m, n), scale: -0.5, isAdding: true)
            let aGrid = aTransposed ? Grid(k, m, a.doubles).transposed : Grid(m, k, a.doubles)
            let bGrid = bTransposed ? Grid(n, k, b.doubles).transposed : Grid(k, n, b.doubles)
            let expected = Grid(m, n, c.doubles) + (-0.5) * (aGrid * bGrid)
            #expect(relativeError(copy(result), expected.values) < 1e-6)
        }
    }

    /// Factors in every format and results in both formats, compared with the naive product of the rounded factors.
    @Test(arguments: productFormats, [(3, 5, 7), (33, 17, 20), (16, 96, 40), (50, 48, 197)])
    func productsOfFactorsMatchTheNaiveVersion(_ format: OperandFormat, extents: (Int, Int, Int)) throws {
        let (m, n, k) = extents
        for (aTransposed, bTransposed) in [(false, false), (true, false), (false, true)] {
            let a = try OperandBuffer(Values(m * k, key: 1).floats, format)
            let b = try OperandBuffer(Values(k * n, key: 2).floats, format)
            let aView = aTransposed ? Matrix(a.operand, k, m).transposed : Matrix(a.operand, m, k)
            let bView = bTransposed ? Matrix(b.operand, n, k).transposed : Matrix(b.operand, k, n)
            let aGrid = aTransposed ? Grid(k, m, a.doubles).transposed : Grid(m, k, a.doubles)
            let bGrid = bTransposed ? Grid(n, k, b.doubles).transposed : Grid(k, n, b.doubles)
            let product = (aGrid * bGrid).values

            let before = Values(m * n, key: 3)
            let sum = try buffer(before.floats)
            // Twice, because the second product reuses the cached primitive.
            for _ in 0..<2 { multiply(aView, bView, into: Matrix(sum.pointer, m, n), isAdding: true) }
            #expect(relativeError(copy(sum), zip(before.doubles, product).map { $0 + 2 * $1 }) < 1e-6)
            let factor = try OperandBuffer(count: m * n, format)
            multiply(aView, bView, into: Matrix(factor.operand, m, n))
            #expect(relativeError(factor.doubles, product) < tolerance(format, fp32: 1e-6))
            if format != .float32 { #expect(factor.doubles.allSatisfy { nearestBFloat16($0) == $0 }) }
        }
    }

    @Test func emptySumIsZero() throws {
        let (a, b) = (Values(1, key: 1), Values(1, key: 2))
        let left = try buffer(a.floats)
        let right = try buffer(b.floats)
        let result = try buffer(Values(6, key: 3).floats)
        let before = copy(result)
        multiply(
            Matrix(left.pointer, 0, 2).transposed, Matrix(right.pointer, 0, 3), into: Matrix(result.pointer, 2, 3),
            isAdding: true)
        #expect(copy(result) == before)
        multiply(Matrix(left.pointer, 0, 2).transposed, Matrix(right.pointer, 0, 3), into: Matrix(result.pointer, 2, 3))
        #expect(copy(result) == [0, 0, 0, 0, 0, 0])
    }

    @Test func stridedResultLeavesOtherColumnsUnchanged() throws {
        let (a, b) = (Values(4 * 6, key: 4), Values(3 * 2, key: 5))
        let left = try buffer(a.floats)
        let right = try buffer(b.floats)
        let result = try OwnedBuffer<Float>(count: 4 * 5)
        multiply(
            Matrix(left.pointer + 1, 4, 3, stride: 6), Matrix(right.pointer, 3, 2),
            into: Matrix(result.pointer + 2, 4, 2, stride: 5))
        let product = Grid(4, 3) { Double(a.floats[6 * $0 + 1 + $1]) } * Grid(3, 2, b.doubles)
        let expected = Grid(4, 5) { (2...3).contains($1) ? product[$0, $1 - 2] : 0 }
        #expect(relativeError(copy(result), expected.values) < 1e-6)
    }
}
