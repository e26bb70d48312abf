import Base
import Kernels
import Testing

struct AttentionCase: CustomTestStringConvertible {
    let shape: AttentionShape

    init(_ images: Int, _ tokens: Int, _ heads: Int, _ headDim: Int) {
        shape = AttentionShape(images: images, tokens: tokens, heads: heads, headDim: headDim)
    }

    var testDescription: String { "\(shape)" }
    var dim: Int { shape.heads * shape.headDim }
    var count: Int { shape.images * shape.tokens * dim }

    func naive(_ u: [Double]) -> [Double] {
        var result = [Double](repeating: 0, count: count)
        for image in 0..<shape.images {
            for head in 0..<shape.heads {
                let corner = image * shape.tokens * dim + head * shape.headDim
                let output = Naive.attention(Grid(shape.tokens, shape.headDim) { u[corner + $0 * dim + $1] })
                for token in 0..<shape.tokens {
                    for channel in 0..<shape.headDim {
                        result[corner + token * dim + channel] = output[token, channel]
                    }
                }
            }
        }
        return result
    }
}

@Suite struct SubspaceAttentionTests {
    static let cases = [
        AttentionCase(2, 5, 3, 4), AttentionCase(1, 17, 2, 16), AttentionCase(2, 16, 1, 8), AttentionCase(1, 37, 2, 5),
        AttentionCase(1, 50, 1, 20),
    ]

    @Test(arguments: cases, productFormats)
    func forwardMatchesTheNaiveVersion(_ test: AttentionCase, format: OperandFormat) throws {
        let sign: Float = test.shape.images == 1 ? -1 : 1
        let u = try OperandBuffer(Values(test.count, key: 1).floats, format)
        let output = try OperandBuffer(count: test.count, format)
        let probabilities = try OperandBuffer(count: test.shape.scoreCountOfAll, format)
        let scratch = try OwnedBuffer<Float>(count: test.shape.scratchCount)
        subspaceAttention(
            u.operand, probabilities: probabilities.operand, output: output.operand, sign: sign,
            scratch: scratch.pointer, shape: test.shape)
        let expected = test.naive(u.doubles).map { Double(sign) * $0 }
        #expect(relativeError(output.doubles, expected) < tolerance(format, fp32: 1e-6))
        let rows = Double(test.shape.images * test.shape.heads * test.shape.tokens)
        #expect(
            abs(probabilities.doubles.reduce(0, +) / rows - 1) < tolerance(format, fp32: 1e-6),
            "rows of probabilities with their padding sum to 1")
    }

    @Test(arguments: cases, productFormats)
    func backwardMatchesFiniteDifferences(_ test: AttentionCase, format: OperandFormat) throws {
        let sign: Float = test.shape.images == 1 ? -1 : 1
        let u = try OperandBuffer(Values(test.count, key: 2).floats, format)
        let dOutput = try OperandBuffer(Values(test.count, key: 3).floats, format)
        let output = try OperandBuffer(count: test.count, format)
        let du = try OperandBuffer(count: test.count, format)
        let probabilities = try OperandBuffer(count: test.shape.scoreCountOfAll, format)
        let scratch = try OwnedBuffer<Float>(count: test.shape.scratchCount)
        // Twice with the same scratch memory, which must still be valid after the first pass.
        for _ in 0..<2 {
            subspaceAttention(
                u.operand, probabilities: probabilities.operand, output: output.operand, sign: sign,
                scratch: scratch.pointer, shape: test.shape)
            subspaceAttentionBackward(
                dOutput.operand, u: u.operand, probabilities: probabilities.operand, into: du.operand, sign: sign,
                scratch: scratch.pointer, shape: test.shape)
        }
        let upstream = dOutput.doubles.map { Double(sign) * $0 }
        let expected = Naive.gradient(u.doubles) { dot(test.naive($0), upstream) }
        #expect(relativeError(du.doubles, expected) < (format == .float32 ? 1e-5 : 1e-2))
    }

    @Test func largeScoresStayFinite() throws {
        let shape = AttentionShape(images: 1, tokens: 6, heads: 1, headDim: 4)
        let u = try OperandBuffer(Values(24, key: 5, scale: 60).floats, .float32)
        let output = try OperandBuffer(count: 24, .float32)
        let probabilities = try OperandBuffer(count: shape.scoreCountOfAll, .float32)
        let scratch = try OwnedBuffer<Float>(count: shape.scratchCount)
        subspaceAttention(
            u.operand, probabilities: probabilities.operand, output: output.operand, sign: 1, scratch: scratch.pointer,
            shape: shape)
        #expect(output.doubles.allSatisfy { $0.isFinite })
        #expect(probabilities.doubles.allSatisfy { (0...1).contains($0) })
    }
}
