import Base
import Kernels
import Testing

/// Input and buffers of a layer norm, and its naive version.
struct NormCase: ~Copyable {
    let (x, weight, bias): (Values, Values, Values)
    let (rows, dim): (Int, Int)
    private let mean, inverse, xBuffer, weightBuffer, biasBuffer: OwnedBuffer<Float>

    init(rows: Int, dim: Int, mean: Double = 0) throws {
        let (x, weight, bias) = (
            Values(rows * dim, key: 1, scale: 2, mean: mean), Values(dim, key: 2), Values(dim, key: 3)
        )
        let means = try OwnedBuffer<Float>(count: rows)
        let inverse = try OwnedBuffer<Float>(count: rows)
        let xBuffer = try buffer(x.floats)
        let weightBuffer = try buffer(weight.floats)
        let biasBuffer = try buffer(bias.floats)
        (self.x, self.weight, self.bias, self.rows, self.dim) = (x, weight, bias, rows, dim)
        self.mean = means
        self.inverse = inverse
        self.xBuffer = xBuffer
        self.weightBuffer = weightBuffer
        self.biasBuffer = biasBuffer
    }

    var normalised: NormalisedRows {
        NormalisedRows(
            xBuffer.pointer, weight: weightBuffer.pointer, bias: biasBuffer.pointer, mean: mean.pointer,
            inverseDeviation: inverse.pointer, rows: rows, dim: dim)
    }

    func naive(_ x: [Double], _ weight: [Double], _ bias: [Double]) -> [Double] {
        Naive.layerNorm(Grid(rows, dim, x), weight: weight, bias: bias, epsilon: 1e-5).values
    }
}

// The smallest width, and widths below and above multiples of 16.
@Suite struct LayerNormTests {
    @Test(arguments: [4, 16, 20, 48, 65], productFormats)
    func forwardMatchesTheNaiveVersion(dim: Int, format: OperandFormat) throws {
        let test = try NormCase(rows: 5, dim: dim, mean: 3)
        let y = try OperandBuffer(count: 5 * dim, format)
        layerNorm(test.normalised, epsilon: 1e-5, into: y.operand)
        let expected = test.naive(test.x.doubles, test.weight.doubles, test.bias.doubles)
        #expect(relativeError(y.doubles, expected) < tolerance(format, fp32: 1e-6))
    }

    @Test(arguments: [4, 16, 20, 48, 65], [(false, false), (true, false), (false, true)])
    func backwardMatchesFiniteDifferences(dim: Int, mode: (isAdding: Bool, skips: Bool)) throws {
        let test = try NormCase(rows: 5, dim: dim)
        let (dy, before) = (Values(5 * dim, key: 4), Values(5 * dim, key: 5))
        let y = try OperandBuffer(count: 5 * dim, .float32)
        let upstream = try OperandBuffer(dy.floats, .float32)
        let again = try OperandBuffer(count: 5 * dim, .float32)
        let dx = try buffer(before.floats)
        let dweight = try OwnedBuffer<Float>(count: dim)
        let dbias = try OwnedBuffer<Float>(count: dim)
        layerNorm(test.normalised, epsilon: 1e-5, into: y.operand)
        // `skip` aliases dx, as it does in the model.
        layerNormBackward(
            upstream.operand, skip: mode.skips ? UnsafePointer(dx.pointer) : nil, test.normalised, into: dx.pointer,
            isAdding: mode.isAdding, dweight: dweight.pointer, dbias: dbias.pointer, output: again.operand)
        #expect(again.doubles == y.doubles)

        let whole = mode.skips ? zip(dy.doubles, before.doubles).map(+) : dy.doubles
        func loss(_ x: [Double], _ weight: [Double], _ bias: [Double]) -> Double {
            dot(test.naive(x, weight, bias), whole)
        }
        let (x, weight, bias) = (test.x.doubles, test.weight.doubles, test.bias.doubles)
        var expected = Naive.gradient(x) { loss($0, weight, bias) }
        if mode.isAdding { expected = zip(expected, before.doubles).map(+) }
        #expect(relativeError(copy(dx), expected) < 1e-5)
        #expect(relativeError(copy(dweight), Naive.gradient(weight) { loss(x, $0, bias) }) < 1e-5)
        #expect(relativeError(copy(dbias), Naive.gradient(bias) { loss(x, weight, $0) }) < 1e-5)
    }

    @Test func bfloat16GradientsGiveTheSameResultAsRoundedFloats() throws {
        let test = try NormCase(rows: 3, dim: 20)
        let y = try OperandBuffer(count: 60, .float32)
        layerNorm(test.normalised, epsilon: 1e-5, into: y.operand)
        let values = Values(60, key: 4).floats
        let results = try [OperandFormat.bfloat16, .roundedFloat32].map { format in
            let dx = try OwnedBuffer<Float>(count: 60)
            let sums = try OwnedBuffer<Float>(count: 64)
            let dy = try OperandBuffer(values, format)
            layerNormBackward(
                dy.operand, test.normalised, into: dx.pointer, isAdding: false,
                dweight: sums.pointer, dbias: sums.pointer + 32)
            return copy(dx) + copy(sums)
        }
        #expect(results[0] == results[1])
    }
}
