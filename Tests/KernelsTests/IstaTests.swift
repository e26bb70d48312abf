import Buffers
import Kernels
import Testing

@Suite struct IstaTests {
    let rows = 6

    @Test(arguments: [4, 16, 20, 33], [0.1, 0.5, 5.0])
    func stepAndItsGradientEqualTheNaiveOnes(dim: Int, lambda: Double) throws {
        let step = IstaStep(size: 0.1, lambda: Float(lambda))
        let (xValues, wValues) = (Values(rows * dim, key: 1), Values(dim * dim, key: 2, scale: 0.3))
        let (upstream, before) = (Values(rows * dim, key: 3), Values(dim * dim, key: 4))
        let x = try buffer(xValues.floats)
        let w = try buffer(wValues.floats)
        let residual = try OwnedBuffer<Float>(count: rows * dim)
        let y = try OwnedBuffer<Float>(count: rows * dim)
        ista(
            x.pointer, dictionary: w.pointer, step: step, rows: rows, dim: dim, residual: residual.pointer,
            into: y.pointer)

        func naive(_ x: [Double], _ w: [Double]) -> [Double] {
            Naive.ista(Grid(rows, dim, x), Grid(dim, dim, w), size: 0.1, lambda: lambda).values
        }
        let expected = naive(xValues.doubles, wValues.doubles)
        #expect(relativeError(copy(y), expected) < 1e-6)
        #expect(copy(y).map { $0 == 0 } == expected.map { $0 == 0 }, "the same entries are exactly zero")

        let dy = try buffer(upstream.floats)
        let dx = try OwnedBuffer<Float>(count: rows * dim)
        let q = try OwnedBuffer<Float>(count: rows * dim)
        let dw = try buffer(before.floats)
        istaBackward(
            dy.pointer, dictionary: w.pointer, y: y.pointer, step: step, rows: rows, dim: dim, into: dx.pointer,
            q: q.pointer)
        let dWeight = Matrix(dw.pointer, dim, dim)
        multiply(
            Matrix(residual.pointer, rows, dim).transposed, Matrix(dy.pointer, rows, dim), into: dWeight,
            scale: step.size, isAdding: true)
        multiply(
            Matrix(q.pointer, rows, dim).transposed, Matrix(x.pointer, rows, dim), into: dWeight, scale: -1,
            isAdding: true)
        let expectedX = Naive.gradient(xValues.doubles) { dot(naive($0, wValues.doubles), upstream.doubles) }
        #expect(relativeError(copy(dx), expectedX) < 1e-5)
        let expectedW = Naive.gradient(wValues.doubles) { dot(naive(xValues.doubles, $0), upstream.doubles) }
        #expect(relativeError(copy(dw), zip(expectedW, before.doubles).map(+)) < 1e-5, "added to what was there")
    }
}
