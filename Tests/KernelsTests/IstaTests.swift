import Base
import Kernels
import Testing

@Suite struct IstaTests {
    let rows = 6

    @Test(arguments: [4, 16, 20, 33], [0.1, 0.5, 5.0])
    func stepAndGradientMatchTheNaiveVersion(dim: Int, lambda: Double) throws {
        let step = IstaStep(size: 0.1, lambda: Float(lambda))
        let test = try NormCase(rows: rows, dim: dim)
        let (wValues, upstream) = (Values(dim * dim, key: 6, scale: 0.3), Values(rows * dim, key: 7))
        let w = try buffer(wValues.floats)
        let x = try OperandBuffer(count: rows * dim, .float32)
        let map = try OperandBuffer(count: dim * dim, .float32)
        let scratch = try OwnedBuffer<Float>(count: dim * dim)
        let y = try OwnedBuffer<Float>(count: rows * dim)
        layerNorm(test.normalised, epsilon: 1e-5, into: x.operand)
        istaMap(w.pointer, step: step, dim: dim, into: map.operand, scratch: scratch.pointer)
        ista(x.operand, test.normalised, map: map.operand, step: step, into: y.pointer)

        func naive(_ x: [Double], _ w: [Double]) -> [Double] {
            Naive.ista(Grid(rows, dim, x), Grid(dim, dim, w), size: 0.1, lambda: lambda).values
        }
        let expected = naive(x.doubles, wValues.doubles)
        #expect(relativeError(copy(y), expected) < 1e-6)
        #expect(copy(y).map { $0 == 0 } == expected.map { $0 == 0 }, "the same entries are exactly zero")

        let dy = try buffer(upstream.floats)
        let product = try OperandBuffer(count: rows * dim, .float32)
        istaBackward(
            dy.pointer, map: map.operand, y: y.pointer, rows: rows, dim: dim, factor: Operand(dy.pointer),
            product: product.operand)
        let dx = zip(copy(dy), product.doubles).map(+)
        let expectedX = Naive.gradient(x.doubles) { dot(naive($0, wValues.doubles), upstream.doubles) }
        #expect(relativeError(dx, expectedX) < 1e-5)

        let dw = try OwnedBuffer<Float>(count: dim * dim)
        multiply(
            Matrix(x.operand, rows, dim).transposed, Matrix(dy.pointer, rows, dim), into: Matrix(dw.pointer, dim, dim))
        for rows in [0..<3, 3..<dim] { istaMapBackwardSum(dw.pointer, rows: rows, dim: dim, into: scratch.pointer) }
        for rows in [0..<3, 3..<dim] {
            istaMapBackward(
                dw.pointer, dictionary: w.pointer, step: step, rows: rows, dim: dim, sum: scratch.pointer)
        }
        let expectedW = Naive.gradient(wValues.doubles) { dot(naive(x.doubles, $0), upstream.doubles) }
        #expect(relativeError(copy(dw), expectedW) < 1e-5)
    }

    @Test(arguments: productFormats)
    func factorsAreRoundedButTheSkipConnectionIsNot(_ format: OperandFormat) throws {
        let (dim, step) = (20, IstaStep(size: 0.1, lambda: 0.5))
        let test = try NormCase(rows: rows, dim: dim)
        let wValues = Values(dim * dim, key: 6, scale: 0.3)
        let w = try buffer(wValues.floats)
        let x = try OperandBuffer(count: rows * dim, format)
        let map = try OperandBuffer(count: dim * dim, format)
        let scratch = try OwnedBuffer<Float>(count: dim * dim)
        let y = try OwnedBuffer<Float>(count: rows * dim)
        layerNorm(test.normalised, epsilon: 1e-5, into: x.operand)
        istaMap(w.pointer, step: step, dim: dim, into: map.operand, scratch: scratch.pointer)
        ista(x.operand, test.normalised, map: map.operand, step: step, into: y.pointer)
        let exact = test.naive(test.x.doubles, test.weight.doubles, test.bias.doubles)
        let product = Grid(rows, dim, x.doubles) * Grid(dim, dim, map.doubles)
        let expected = zip(exact, product.values).map { max(0, $0 + $1 - 0.05) }
        #expect(relativeError(copy(y), expected) < 1e-6)

        let dy = try buffer(Values(rows * dim, key: 7).floats)
        let factor = try OperandBuffer(count: rows * dim, format)
        let down = try OperandBuffer(count: rows * dim, format.result)
        istaBackward(
            dy.pointer, map: map.operand, y: y.pointer, rows: rows, dim: dim, factor: factor.operand,
            product: down.operand)
        let e = zip(Values(rows * dim, key: 7).doubles, copy(y)).map { $1 > 0 ? $0 : 0 }
        #expect(copy(dy) == e)
        let expectedDown = Grid(rows, dim, factor.doubles) * Grid(dim, dim, map.doubles).transposed
        #expect(relativeError(down.doubles, expectedDown.values) < tolerance(format, fp32: 1e-6))
        #expect(relativeError(factor.doubles, e) < tolerance(format, fp32: 1e-9))
    }
}
