import Base
import Foundation
import Kernels
import Testing

@Suite struct GeluTests {
    /// Phi(x), accurate in the tail too.
    static func distribution(_ x: Double) -> Double { 0.5 * erfc(-x * 0.5.squareRoot()) }

    static func naive(_ x: Double, scale: Double) -> Double { scale * x * distribution(x) }

    @Test(arguments: [1, 15, 16, 37], productFormats)
    func forwardAndBackwardMatchTheNaiveVersion(count: Int, format: OperandFormat) throws {
        for upstreamFormat in [format, .float32] {
            let x = try OperandBuffer(Values(count, key: 1, scale: 2).floats, format)
            let dy = try OperandBuffer(Values(count, key: 2).floats, upstreamFormat)
            let y = try OperandBuffer(count: count, format)
            let again = try OperandBuffer(count: count, format)
            let dx = try OperandBuffer(count: count, format)
            gelu(x.operand, scale: 1.25, count: count, into: y.operand)
            geluBackward(dy.operand, x: x.operand, scale: 1.25, count: count, into: dx.operand, output: again.operand)
            #expect(again.doubles == y.doubles)
            let expected = x.doubles.map { Self.naive($0, scale: 1.25) }
            #expect(relativeError(y.doubles, expected) < tolerance(format, fp32: 3e-7))
            let upstream = dy.doubles
            let gradient = Naive.gradient(x.doubles) { dot($0.map { Self.naive($0, scale: 1.25) }, upstream) }
            #expect(relativeError(dx.doubles, gradient) < tolerance(format, fp32: 1e-6))
        }
    }

    @Test(arguments: productFormats)
    func resultsMayReplaceInputs(_ format: OperandFormat) throws {
        let count = 21
        let x = try OperandBuffer(Values(count, key: 1).floats, format)
        let dy = try OperandBuffer(Values(count, key: 2).floats, format)
        let y = try OperandBuffer(count: count, format)
        let dx = try OperandBuffer(count: count, format)
        geluBackward(dy.operand, x: x.operand, scale: 1, count: count, into: dx.operand, output: y.operand)
        let sameX = try OperandBuffer(Values(count, key: 1).floats, format)
        gelu(sameX.operand, scale: 1, count: count, into: sameX.operand)
        #expect(sameX.doubles == y.doubles)
        geluBackward(dy.operand, x: x.operand, scale: 1, count: count, into: dy.operand, output: x.operand)
        #expect(dy.doubles == dx.doubles && x.doubles == y.doubles)
    }

    @Test func theDistributionIsAccurateDownToTheSmallestFloats() throws {
        let values = (-13_000...8_000).map { Float($0) / 1000 }.filter { $0 != 0 }
        let x = try OperandBuffer(values, .float32)
        let y = try OperandBuffer(count: values.count, .float32)
        gelu(x.operand, scale: 1, count: values.count, into: y.operand)
        var (absolute, relative) = (0.0, 0.0)
        for (value, result) in zip(x.doubles, y.doubles) {
            let exact = Self.distribution(value)
            // The product with x is rounded once more.
            absolute = max(absolute, abs(result / value - exact) - 6e-8 * exact)
            relative = max(relative, abs(result / value / exact - 1) - 6e-8)
        }
        #expect(absolute < 1.2e-7)
        #expect(relative < 5e-7)
    }

    @Test func hugeValuesAndNaNAreKept() throws {
        let x = try OperandBuffer([1e30, -1e30, 14, -14, 0, .nan], .float32)
        let y = try OperandBuffer(count: 6, .float32)
        gelu(x.operand, scale: 1, count: 6, into: y.operand)
        #expect(Array(y.doubles.prefix(5)) == [Double(Float(1e30)), 0, 14, 0, 0])
        #expect(y.doubles[5].isNaN)
    }
}
