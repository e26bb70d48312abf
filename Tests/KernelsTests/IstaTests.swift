import Buffers
import Kernels
import Testing

@Suite struct IstaTests {
    let rows = 6

    @Test(arguments: [4, 16, 20, 33], [0.1, 0.5, 5.0])
    func stepAndItsGradientEqualTheNaiveOnes(dim: Int, lambda: Double) throws {
        let step = IstaStep(size: 0.1, lambda: Float(lambda))
        let (xValues, wValues) = (Values(rows * dim, key: 1), Values(dim * dim, key: 2, scale: 0.3))
        let upstream = Values(rows * dim, key: 3)
        let x = try buffer(xValues.floats)
        let w = try buffer(wValues.floats)
        let map = try OwnedBuffer<Float>(count: dim * dim)
        let y = try OwnedBuffer<Float>(count: rows * dim)
        istaMap(w.pointer, step: step, dim: dim, into: map.pointer)
        ista(x.pointer, map: map.pointer, step: step, rows: rows, dim: dim, into: y.pointer)

        func naive(_ x: [Double], _ w: [Double]) -> [Double] {
            Naive.ista(Grid(rows, dim, x), Grid(dim, dim, w), size: 0.1, lambda: lambda).values
        }
        let expected = naive(xValues.doubles, wValues.doubles)
        #expect(relativeError(copy(y), expected) < 1e-6)
        #expect(copy(y).map { $0 == 0 } == expected.map { $0 == 0 }, "the same entries are exactly zero")

        let dy = try buffer(upstream.floats)
        let dx = try OwnedBuffer<Float>(count: rows * dim)
        istaBackward(dy.pointer, map: map.pointer, y: y.pointer, rows: rows, dim: dim, into: dx.pointer)
        let dw = try OwnedBuffer<Float>(count: dim * dim)
        multiply(
            Matrix(x.pointer, rows, dim).transposed, Matrix(dy.pointer, rows, dim),
            into: Matrix(dw.pointer, dim, dim))
        istaMapBackward(dw.pointer, dictionary: w.pointer, step: step, dim: dim, scratch: map.pointer)
        let expectedX = Naive.gradient(xValues.doubles) { dot(naive($0, wValues.doubles), upstream.doubles) }
        #expect(relativeError(copy(dx), expectedX) < 1e-5)
        let expectedW = Naive.gradient(wValues.doubles) { dot(naive(xValues.doubles, $0), upstream.doubles) }
        #expect(relativeError(copy(dw), expectedW) < 1e-5)
    }
}
