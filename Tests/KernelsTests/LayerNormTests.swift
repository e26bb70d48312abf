import Buffers
import Kernels
import Testing

// Widths on both sides of a whole vector of 16, and the smallest.
@Suite struct LayerNormTests {
    let rows = 5

    @Test(arguments: [4, 16, 20, 48, 65])
    func forwardEqualsTheNaiveOne(dim: Int) throws {
        let (x, weight, bias) = (
            Values(rows * dim, key: 1, scale: 2, mean: 3), Values(dim, key: 2), Values(dim, key: 3)
        )
        let y = try OwnedBuffer<Float>(count: rows * dim)
        let mean = try OwnedBuffer<Float>(count: rows)
        let inverse = try OwnedBuffer<Float>(count: rows)
        layerNorm(
            x.floats, weight: weight.floats, bias: bias.floats, epsilon: 1e-5, rows: rows, dim: dim, into: y.pointer,
            mean: mean.pointer, inverseDeviation: inverse.pointer)
        let expected = Naive.layerNorm(
            Grid(rows, dim, x.doubles), weight: weight.doubles, bias: bias.doubles, epsilon: 1e-5)
        #expect(relativeError(copy(y), expected.values) < 1e-6)
    }

    @Test(arguments: [4, 16, 20, 48, 65], [false, true])
    func backwardEqualsFiniteDifferences(dim: Int, isAdding: Bool) throws {
        let (x, weight, bias) = (Values(rows * dim, key: 1), Values(dim, key: 2), Values(dim, key: 3))
        let (dy, before) = (Values(rows * dim, key: 4), Values(rows * dim, key: 5))
        let y = try OwnedBuffer<Float>(count: rows * dim)
        let dx = try buffer(before.floats)
        let mean = try OwnedBuffer<Float>(count: rows)
        let inverse = try OwnedBuffer<Float>(count: rows)
        let dweight = try OwnedBuffer<Float>(count: dim)
        let dbias = try OwnedBuffer<Float>(count: dim)
        layerNorm(
            x.floats, weight: weight.floats, bias: bias.floats, epsilon: 1e-5, rows: rows, dim: dim, into: y.pointer,
            mean: mean.pointer, inverseDeviation: inverse.pointer)
        layerNormBackward(
            dy.floats, x: x.floats, weight: weight.floats, mean: mean.pointer, inverseDeviation: inverse.pointer,
            rows: rows, dim: dim, into: dx.pointer, isAdding: isAdding, dweight: dweight.pointer,
            dbias: dbias.pointer)

        func loss(_ x: [Double], _ weight: [Double], _ bias: [Double]) -> Double {
            dot(Naive.layerNorm(Grid(rows, dim, x), weight: weight, bias: bias, epsilon: 1e-5).values, dy.doubles)
        }
        var expected = Naive.gradient(x.doubles) { loss($0, weight.doubles, bias.doubles) }
        if isAdding { expected = zip(expected, before.doubles).map(+) }
        #expect(relativeError(copy(dx), expected) < 1e-5)
        let expectedWeight = Naive.gradient(weight.doubles) { loss(x.doubles, $0, bias.doubles) }
        #expect(relativeError(copy(dweight), expectedWeight) < 1e-5)
        let expectedBias = Naive.gradient(bias.doubles) { loss(x.doubles, weight.doubles, $0) }
        #expect(relativeError(copy(dbias), expectedBias) < 1e-5)
    }
}
