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
