import Base
import Kernels
import Testing

extension Naive {
    /// The output for one image, u (T, D), and the memberships (T, H).
    static func tokenStatistics(_ u: Grid, temperature: [Double], scale: Double) -> (output: Grid, memberships: Grid) {
        let (tokens, heads) = (u.rows, temperature.count)
        let headDim = u.columns / heads
        let squares = (0..<u.columns).map { column in
            max((0..<tokens).reduce(0) { $0 + u[$1, column] * u[$1, column] }, 1e-24)
        }
        let scores = Grid(tokens, heads) { token, head in
            temperature[head]
                * (head * headDim..<(head + 1) * headDim).reduce(0) { $0 + u[token, $1] * u[token, $1] / squares[$1] }
        }
        let memberships = Grid(tokens, heads) { token, head in
            1 / (0..<heads).reduce(0) { $0 + exponential(scores[token, $1] - scores[token, head]) }
        }
        let gains = (0..<u.columns).map { column in
            let head = column / headDim
            let moment = (0..<tokens).reduce(0) { $0 + memberships[$1, head] * u[$1, column] * u[$1, column] }
            return -scale / (1 + moment / ((0..<tokens).reduce(0) { $0 + memberships[$1, head] } + 1e-8))
        }
        let output = Grid(tokens, u.columns) { memberships[$0, $1 / headDim] * u[$0, $1] * gains[$1] }
        return (output, memberships)
    }

    /// The formulas of the backward pass for one image, which are compared with finite differences of smaller ones.
    static func tokenStatisticsGradient(
        _ u: Grid, pi: Grid, temperature: [Double], _ dOutput: Grid, scale: Double
    ) -> (du: Grid, dTemperature: [Double]) {
        let (tokens, heads, channels) = (u.rows, pi.columns, u.columns)
        let headDim = channels / heads
        func sum(_ count: Int, _ term: (Int) -> Double) -> Double { (0..<count).reduce(0) { $0 + term($1) } }
        func headSum(_ head: Int, _ term: (Int) -> Double) -> Double { sum(headDim) { term(head * headDim + $0) } }
        let q = (0..<channels).map { p in 1 / sum(tokens) { u[$0, p] * u[$0, p] } }
        let z = (0..<heads).map { h in sum(tokens) { pi[$0, h] } + 1e-8 }
        let s = (0..<channels).map { p in sum(tokens) { pi[$0, p / headDim] * u[$0, p] * u[$0, p] } / z[p / headDim] }
        let g = s.map { 1 / (1 + $0) }
        let dn = (0..<channels).map { p in
            scale * g[p] * g[p] / z[p / headDim] * sum(tokens) { pi[$0, p / headDim] * u[$0, p] * dOutput[$0, p] }
        }
        let dz = (0..<heads).map { h in -headSum(h) { dn[$0] * s[$0] } }
        let dpi = Grid(tokens, heads) { t, h in
            dz[h] + headSum(h) { u[t, $0] * (dn[$0] * u[t, $0] - scale * g[$0] * dOutput[t, $0]) }
        }
        let means = (0..<tokens).map { t in sum(heads) { pi[t, $0] * dpi[t, $0] } }
        let a = Grid(tokens, heads) { t, h in pi[t, h] * (dpi[t, h] - means[t]) }
        let c = (0..<channels).map { p in
            q[p] * temperature[p / headDim] * sum(tokens) { a[$0, p / headDim] * u[$0, p] * u[$0, p] }
        }
        let du = Grid(tokens, channels) { t, p in
            let h = p / headDim
            return -scale * g[p] * pi[t, h] * dOutput[t, p]
                + 2 * u[t, p] * (dn[p] * pi[t, h] + q[p] * (temperature[h] * a[t, h] - c[p]))
        }
        let dTemperature = (0..<heads).map { h in
            sum(tokens) { t in a[t, h] * headSum(h) { u[t, $0] * u[t, $0] * q[$0] } }
        }
        return (du, dTemperature)
    }
}

extension AttentionCase {
    func naiveStatistics(_ u: [Double], _ temperature: [Double], scale: Double) -> (output: [Double], pi: [Double]) {
        let images = (0..<shape.images).map { image in
            Naive.tokenStatistics(
                Grid(shape.tokens, dim) { u[(image * shape.tokens + $0) * dim + $1] }, temperature: temperature,
                scale: scale)
        }
        return (images.flatMap(\.output.values), images.flatMap(\.memberships.values))
    }
}

/// Inputs of a case, and what both passes leave.
private struct StatisticsRun: ~Copyable {
    let test: AttentionCase
    let u: [Double]
    let temperature: Values
    let memberships, temperatureGradient: OwnedBuffer<Float>
    let output, dOutput, du: OperandBuffer

    /// The gradient of the temperature is added to 1. `scratch` has a content that must not matter.
    init(
        _ test: AttentionCase, _ format: OperandFormat, upstream: OperandFormat = .float32, scale: Float = 1.25,
        u values: [Float]? = nil
    ) throws {
        let (shape, count) = (test.shape, test.count)
        let u = values ?? Values(count, key: 1).floats
        let temperature = Values(shape.heads, key: 2, scale: 0.3, mean: 1)
        let memberships = try OwnedBuffer<Float>(count: shape.images * shape.tokens * shape.heads)
        let gradient = try buffer([Float](repeating: 1, count: shape.heads))
        let output = try OperandBuffer(count: count, format)
        let dOutput = try OperandBuffer(Values(count, key: 3).floats, upstream)
        let du = try OperandBuffer(count: count, format)
        let scratch = try buffer([Float](repeating: .nan, count: tokenStatisticsScratchCount(shape)))
        tokenStatistics(
            u, temperature: temperature.floats, memberships: memberships.pointer, output: output.operand,
            scale: scale, scratch: scratch.pointer, shape: shape)
        tokenStatisticsBackward(
            dOutput.operand, u: u, temperature: temperature.floats, memberships: memberships.pointer,
            into: du.operand, temperatureGradient: gradient.pointer, scale: scale, scratch: scratch.pointer,
            shape: shape)
        (self.test, self.u, self.temperature) = (test, u.map(Double.init), temperature)
        self.memberships = memberships
        self.temperatureGradient = gradient
        self.output = output
        self.dOutput = dOutput
        self.du = du
    }

    var naive: (output: [Double], pi: [Double]) { test.naiveStatistics(u, temperature.doubles, scale: 1.25) }

    var temperatureGradients: [Double] { copy(temperatureGradient).map { $0 - 1 } }
}

@Suite struct TokenStatisticsTests {
    static let cases = [
        AttentionCase(2, 5, 3, 4), AttentionCase(1, 17, 2, 16), AttentionCase(1, 16, 1, 8), AttentionCase(1, 37, 2, 5),
        AttentionCase(1, 10, 2, 20), AttentionCase(1, 6, 2, 24), AttentionCase(1, 5, 2, 48), AttentionCase(1, 4, 1, 64),
        AttentionCase(1, 3, 18, 3),
    ]

    @Test(arguments: cases, productFormats)
    func bothPassesMatchTheNaiveVersion(_ test: AttentionCase, format: OperandFormat) throws {
        for upstream in [OperandFormat.float32, .bfloat16] {
            let run = try StatisticsRun(test, format, upstream: upstream)
            let (u, temperature, expected) = (run.u, run.temperature.doubles, run.naive)
            #expect(relativeError(run.output.doubles, expected.output) < tolerance(format, fp32: 5e-7))
            #expect(relativeError(copy(run.memberships), expected.pi) < 5e-7)
            let dOutput = run.dOutput.doubles
            let du = Naive.gradient(u) { dot(test.naiveStatistics($0, temperature, scale: 1.25).output, dOutput) }
            #expect(relativeError(run.du.doubles, du) < tolerance(format, fp32: 2e-6))
            let dTemperature = Naive.gradient(temperature) {
                dot(test.naiveStatistics(u, $0, scale: 1.25).output, dOutput)
            }
            // A single head has all tokens whatever its temperature.
            #expect(relativeError(run.temperatureGradients, dTemperature) < (test.shape.heads == 1 ? 1e-6 : 2e-5))
        }
    }

    @Test func sumsOverManyTokensKeepTheirPrecision() throws {
        let run = try StatisticsRun(AttentionCase(1, 1025, 6, 64), .float32)
        let expected = run.naive
        #expect(relativeError(run.output.doubles, expected.output) < 3e-7)
        #expect(relativeError(copy(run.memberships), expected.pi) < 3e-7)
        let exact = Naive.tokenStatisticsGradient(
            Grid(1025, 384, run.u), pi: Grid(1025, 6, expected.pi), temperature: run.temperature.doubles,
            Grid(1025, 384, run.dOutput.doubles), scale: 1.25)
        #expect(relativeError(run.du.doubles, exact.du.values) < 5e-7)
        #expect(relativeError(run.temperatureGradients, exact.dTemperature) < 2e-5)
    }

    @Test func aChannelWithoutEnergyHasAFiniteGradient() throws {
        let test = AttentionCase(1, 5, 2, 4)
        var u = Values(test.count, key: 1).floats
        for token in 0..<5 { u[token * 8 + 3] = 0 }
        let run = try StatisticsRun(test, .float32, u: u)
        let expected = run.naive
        #expect(relativeError(run.output.doubles, expected.output) < 5e-7)
        // u = 0 is a point where the norm is constant, and pi g is the slope.
        let slopes = (0..<5).map { -1.25 * expected.pi[2 * $0] * run.dOutput.doubles[8 * $0 + 3] }
        #expect(relativeError((0..<5).map { run.du.doubles[8 * $0 + 3] }, slopes) < 1e-6)
    }

    @Test func aDroppedBranchIsZero() throws {
        let run = try StatisticsRun(AttentionCase(1, 17, 2, 5), .float32, scale: 0)
        #expect(run.output.doubles.allSatisfy { $0 == 0 } && run.du.doubles.allSatisfy { $0 == 0 })
        #expect(run.temperatureGradients.allSatisfy { $0 == 0 })
    }
}
