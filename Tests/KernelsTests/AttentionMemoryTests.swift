import Base
import Kernels
import Testing

/// A masked encoder sees fewer tokens in training than in analysis, on the same memory.
@Suite struct AttentionMemoryTests {
    private static let largest = AttentionCase(1, 197, 2, 32)
    private static let cases = [
        largest, AttentionCase(1, 50, 2, 32), AttentionCase(2, 17, 2, 32), AttentionCase(1, 33, 3, 5),
    ]

    /// Memory for any of the cases.
    private struct Memory: ~Copyable {
        let probabilities, scratch: OwnedBuffer<Float>

        init(_ content: Float) throws {
            let probabilities = try OwnedBuffer<Float>(count: largest.shape.scoreCountOfAll)
            let scratch = try OwnedBuffer<Float>(count: largest.shape.scratchCount)
            probabilities.pointer.update(repeating: content, count: probabilities.count)
            scratch.pointer.update(repeating: content, count: scratch.count)
            self.probabilities = probabilities
            self.scratch = scratch
        }
    }

    /// Outputs and gradients of both kinds of attention.
    private func results(
        _ test: AttentionCase, _ format: OperandFormat, _ memory: borrowing Memory
    ) throws -> [[UInt64]] {
        let (shape, count) = (test.shape, test.count)
        let qkv = try OperandBuffer(Values(3 * count, key: 1).floats, format)
        let upstream = try OperandBuffer(Values(count, key: 2).floats, format)
        let output = try OperandBuffer(count: count, format)
        let gradient = try OperandBuffer(count: 3 * count, format)
        let probabilities = Operand(memory.probabilities.pointer, format)
        let scratch = memory.scratch.pointer
        func bits(_ buffer: borrowing OperandBuffer) -> [UInt64] { buffer.doubles.map(\.bitPattern) }

        subspaceAttention(
            qkv.operand, probabilities: probabilities, output: output.operand, sign: -1, scratch: scratch, shape: shape)
        var results = [bits(output)]
        subspaceAttentionBackward(
            upstream.operand, u: qkv.operand, probabilities: probabilities, into: gradient.operand, sign: -1,
            scratch: scratch, shape: shape)
        results.append(bits(gradient))
        softmaxAttention(
            qkv.operand, probabilities: probabilities, output: output.operand, scale: 1.25, scratch: scratch,
            shape: shape)
        results.append(bits(output))
        softmaxAttentionBackward(
            upstream.operand, qkv: qkv.operand, probabilities: probabilities, into: gradient.operand, scale: 1.25,
            scratch: scratch, shape: shape)
        results.append(bits(gradient))
        #expect([output.doubles, gradient.doubles].joined().allSatisfy { $0.isFinite })
        return results
    }

    @Test(arguments: productFormats)
    func whatAnEarlierCallHasLeftDoesNotMatter(_ format: OperandFormat) throws {
        let used = try Memory(0)
        let spoilt = try Memory(.nan)
        for test in Self.cases {
            let expected = try results(test, format, try Memory(0))
            #expect(try results(test, format, used) == expected, "\(test)")
            #expect(try results(test, format, spoilt) == expected, "\(test), memory of NaN")
        }
    }
}
