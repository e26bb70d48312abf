import Base
import Kernels
import Testing

/// G and its transpose, packed for products.
private struct PackedMap: ~Copyable {
    let forward, backward: PackedMatrix
    /// G in the format of factors.
    let rounded: OperandBuffer
    let scratch: OwnedBuffer<Float>
    private let panels, transposedPanels: OperandBuffer

    init(
        _ dictionary: borrowing OwnedBuffer<Float>, step: IstaStep, dim: Int, _ format: OperandFormat,
        _ backend: ProductBackend
    ) throws {
        let map = try OwnedBuffer<Float>(count: dim * dim)
        let scratch = try OwnedBuffer<Float>(count: productScratchCount)
        istaMap(
            dictionary.pointer, step: step, dim: dim, into: map.pointer, scratch: scratch.pointer, backend)
        let count = PackedMatrix.count(depth: dim, columns: dim)
        let rounded = try OperandBuffer([Float](map.elements), format)
        let panels = try OperandBuffer(count: count, format)
        let transposedPanels = try OperandBuffer(count: count, format)
        forward = PackedMatrix(panels.operand, depth: dim, columns: dim, backend)
        backward = PackedMatrix(transposedPanels.operand, depth: dim, columns: dim, backend)
        self.scratch = scratch
        self.rounded = rounded
        self.panels = panels
        self.transposedPanels = transposedPanels
        forward.pack(map.pointer, isTransposed: false)
        backward.pack(map.pointer, isTransposed: true)
    }
}

@Suite struct IstaTests {
    let rows = 6

    @Test(arguments: [(4, 0.1), (16, 0.5), (20, 5.0), (33, 0.1), (33, 5.0)], ProductBackend.allCases)
    func stepAndGradientMatchTheNaiveVersion(sizes: (dim: Int, lambda: Double), backend: ProductBackend) throws {
        let (dim, lambda) = sizes
        let step = IstaStep(size: 0.1, lambda: Float(lambda))
        let test = try NormCase(rows: rows, dim: dim)
        let (wValues, upstream) = (Values(dim * dim, key: 6, scale: 0.3), Values(rows * dim, key: 7))
        let w = try buffer(wValues.floats)
        let x = try OperandBuffer(count: rows * dim, .float32)
        let map = try PackedMap(w, step: step, dim: dim, .float32, backend)
        let y = try OwnedBuffer<Float>(count: rows * dim)
        layerNorm(test.normalised, epsilon: 1e-5, into: x.operand)
        ista(x.operand, test.normalised, map: map.forward, step: step, into: y.pointer)

        func naive(_ x: [Double], _ w: [Double]) -> [Double] {
            Naive.ista(Grid(rows, dim, x), Grid(dim, dim, w), size: 0.1, lambda: lambda).values
        }
        let expected = naive(x.doubles, wValues.doubles)
        #expect(relativeError(copy(y), expected) < 1e-6)
        #expect(copy(y).map { $0 == 0 } == expected.map { $0 == 0 }, "the same entries are exactly zero")

        let dy = try buffer(upstream.floats)
        let product = try OperandBuffer(count: rows * dim, .float32)
        istaBackward(
            dy.pointer, transposedMap: map.backward, y: y.pointer, rows: rows, dim: dim, factor: Operand(dy.pointer),
            product: product.operand)
        let dx = zip(copy(dy), product.doubles).map(+)
        let expectedX = Naive.gradient(x.doubles) { dot(naive($0, wValues.doubles), upstream.doubles) }
        #expect(relativeError(dx, expectedX) < 1e-5)

        let dw = try OwnedBuffer<Float>(count: dim * dim)
        multiply(
            Matrix(x.operand, rows, dim).transposed, Matrix(dy.pointer, rows, dim), into: Matrix(dw.pointer, dim, dim))
        let sum = try OwnedBuffer<Float>(count: dim * dim)
        for rows in [0..<3, 3..<dim] { istaMapBackwardSum(dw.pointer, rows: rows, dim: dim, into: sum.pointer) }
        for rows in [0..<3, 3..<dim] {
            istaMapBackward(
                dw.pointer, dictionary: w.pointer, step: step, rows: rows, dim: dim, sum: sum.pointer,
                scratch: map.scratch.pointer, backend)
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
        let map = try PackedMap(w, step: step, dim: dim, format, .packed)
        let y = try OwnedBuffer<Float>(count: rows * dim)
        layerNorm(test.normalised, epsilon: 1e-5, into: x.operand)
        ista(x.operand, test.normalised, map: map.forward, step: step, into: y.pointer)
        let exact = test.naive(test.x.doubles, test.weight.doubles, test.bias.doubles)
        let mapGrid = Grid(dim, dim, map.rounded.doubles)
        let product = Grid(rows, dim, x.doubles) * mapGrid
        let expected = zip(exact, product.values).map { max(0, $0 + $1 - 0.05) }
        #expect(relativeError(copy(y), expected) < 1e-6)

        let dy = try buffer(Values(rows * dim, key: 7).floats)
        let factor = try OperandBuffer(count: rows * dim, format)
        let down = try OperandBuffer(count: rows * dim, format.result)
        istaBackward(
            dy.pointer, transposedMap: map.backward, y: y.pointer, rows: rows, dim: dim, factor: factor.operand,
            product: down.operand)
        let e = zip(Values(rows * dim, key: 7).doubles, copy(y)).map { $1 > 0 ? $0 : 0 }
        #expect(copy(dy) == e)
        let expectedDown = Grid(rows, dim, factor.doubles) * mapGrid.transposed
        #expect(relativeError(down.doubles, expectedDown.values) < tolerance(format, fp32: 1e-6))
        #expect(relativeError(factor.doubles, e) < tolerance(format, fp32: 1e-9))
    }
}
