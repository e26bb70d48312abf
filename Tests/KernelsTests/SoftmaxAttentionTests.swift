import Base
import Kernels
import Testing

extension Naive {
    /// scale softmax(Q K^T / sqrt(P)) V for one head of one image, each (T, P).
    static func attention(_ q: Grid, _ k: Grid, _ v: Grid, scale: Double) -> Grid {
        scale * (softmax((1 / Double(q.columns).squareRoot()) * (q * k.transposed)) * v)
    }
}

extension AttentionCase {
    func naive(qkv: [Double], scale: Double) -> [Double] {
        var result = [Double](repeating: 0, count: count)
        for image in 0..<shape.images {
            for head in 0..<shape.heads {
                let (row, column) = (image * shape.tokens, head * shape.headDim)
                let parts = (0..<3).map { part in
                    Grid(shape.tokens, shape.headDim) { qkv[((row + $0) * 3 + part) * dim + column + $1] }
                }
                let output = Naive.attention(parts[0], parts[1], parts[2], scale: scale)
                for token in 0..<shape.tokens {
                    for channel in 0..<shape.headDim {
                        result[(row + token) * dim + column + channel] = output[token, channel]
                    }
                }
            }
        }
        return result
    }
}

@Suite struct SoftmaxAttentionTests {
    @Test(arguments: SubspaceAttentionTests.cases, productFormats)
    func forwardMatchesTheNaiveVersion(_ test: AttentionCase, format: OperandFormat) throws {
        let qkv = try OperandBuffer(Values(3 * test.count, key: 1).floats, format)
        let output = try OperandBuffer(count: test.count, format)
        let probabilities = try OperandBuffer(count: test.shape.scoreCountOfAll, format)
        let scratch = try OwnedBuffer<Float>(count: test.shape.scratchCount)
        softmaxAttention(
            qkv.operand, probabilities: probabilities.operand, output: output.operand, scale: 1.25,
            scratch: scratch.pointer, shape: test.shape)
        let expected = test.naive(qkv: qkv.doubles, scale: 1.25)
        #expect(relativeError(output.doubles, expected) < tolerance(format, fp32: 1e-6))
        let rows = Double(test.shape.images * test.shape.heads * test.shape.tokens)
        #expect(
            abs(probabilities.doubles.reduce(0, +) / rows - 1) < tolerance(format, fp32: 1e-6),
            "rows of probabilities with their padding sum to 1")
    }

    @Test(arguments: SubspaceAttentionTests.cases, productFormats)
    func backwardMatchesFiniteDifferences(_ test: AttentionCase, format: OperandFormat) throws {
        let qkv = try OperandBuffer(Values(3 * test.count, key: 2).floats, format)
        let dOutput = try OperandBuffer(Values(test.count, key: 3).floats, format)
        let output = try OperandBuffer(count: test.count, format)
        let dqkv = try OperandBuffer(count: 3 * test.count, format)
        let probabilities = try OperandBuffer(count: test.shape.scoreCountOfAll, format)
        let scratch = try OwnedBuffer<Float>(count: test.shape.scratchCount)
        softmaxAttention(
            qkv.operand, probabilities: probabilities.operand, output: output.operand, scale: 1.25,
            scratch: scratch.pointer, shape: test.shape)
        softmaxAttentionBackward(
            dOutput.operand, qkv: qkv.operand, probabilities: probabilities.operand, into: dqkv.operand, scale: 1.25,
            scratch: scratch.pointer, shape: test.shape)
        let upstream = dOutput.doubles
        let expected = Naive.gradient(qkv.doubles) { dot(test.naive(qkv: $0, scale: 1.25), upstream) }
        #expect(relativeError(dqkv.doubles, expected) < (format == .float32 ? 1e-5 : 1e-2))
    }

    @Test(arguments: productFormats)
    func aDroppedBranchIsZero(_ format: OperandFormat) throws {
        let test = AttentionCase(1, 17, 2, 5)
        let qkv = try OperandBuffer(Values(3 * test.count, key: 2).floats, format)
        let dOutput = try OperandBuffer(Values(test.count, key: 3).floats, format)
        let output = try OperandBuffer(Values(test.count, key: 4).floats, format)
        let dqkv = try OperandBuffer(Values(3 * test.count, key: 4).floats, format)
        let probabilities = try OperandBuffer(count: test.shape.scoreCountOfAll, format)
        let scratch = try OwnedBuffer<Float>(count: test.shape.scratchCount)
        softmaxAttention(
            qkv.operand, probabilities: probabilities.operand, output: output.operand, scale: 0,
            scratch: scratch.pointer, shape: test.shape)
        softmaxAttentionBackward(
            dOutput.operand, qkv: qkv.operand, probabilities: probabilities.operand, into: dqkv.operand, scale: 0,
            scratch: scratch.pointer, shape: test.shape)
        #expect(output.doubles.allSatisfy { $0 == 0 } && dqkv.doubles.allSatisfy { $0 == 0 })
    }
}
