import Buffers
import Kernels
import Testing

/// The extents of a test case: N images, T tokens, H heads, P channels a head.
struct AttentionCase: CustomTestStringConvertible {
    let shape: AttentionShape

    init(_ images: Int, _ tokens: Int, _ heads: Int, _ headDim: Int) {
        shape = AttentionShape(images: images, tokens: tokens, heads: heads, headDim: headDim)
    }

    var testDescription: String { "\(shape)" }
    var dim: Int { shape.heads * shape.headDim }
    var count: Int { shape.images * shape.tokens * dim }

    /// The naive attention of all images and heads.
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
    ]

    @Test(arguments: cases)
    func forwardEqualsTheNaiveOne(_ test: AttentionCase) throws {
        let values = Values(test.count, key: 1)
        let u = try buffer(values.floats)
        let output = try OwnedBuffer<Float>(count: test.count)
        let probabilities = try OwnedBuffer<Float>(count: test.shape.scoreCountOfAll)
        let scratch = try OwnedBuffer<Float>(count: test.shape.scratchCount)
        subspaceAttention(
            u.pointer, probabilities: probabilities.pointer, output: output.pointer, scratch: scratch.pointer,
            shape: test.shape)
        #expect(relativeError(copy(output), test.naive(values.doubles)) < 1e-6)
        let sums = copy(probabilities).reduce(0, +)
        let rows = Double(test.shape.images * test.shape.heads * test.shape.tokens)
        #expect(abs(sums / rows - 1) < 1e-6, "rows of probabilities with their padding sum to 1")
    }

    @Test(arguments: cases)
    func backwardEqualsFiniteDifferences(_ test: AttentionCase) throws {
        let (values, upstream) = (Values(test.count, key: 2), Values(test.count, key: 3))
        let u = try buffer(values.floats)
        let output = try OwnedBuffer<Float>(count: test.count)
        let du = try OwnedBuffer<Float>(count: test.count)
        let dOutput = try buffer(upstream.floats)
        let probabilities = try OwnedBuffer<Float>(count: test.shape.scoreCountOfAll)
        let scratch = try OwnedBuffer<Float>(count: test.shape.scratchCount)
        subspaceAttention(
            u.pointer, probabilities: probabilities.pointer, output: output.pointer, scratch: scratch.pointer,
            shape: test.shape)
        subspaceAttentionBackward(
            dOutput.pointer, u: u.pointer, probabilities: probabilities.pointer, into: du.pointer,
            scratch: scratch.pointer, shape: test.shape)
        let expected = Naive.gradient(values.doubles) { dot(test.naive($0), upstream.doubles) }
        #expect(relativeError(copy(du), expected) < 1e-5)
    }

    @Test func largeScoresStayFinite() throws {
        let shape = AttentionShape(images: 1, tokens: 6, heads: 1, headDim: 4)
        let values = Values(24, key: 5, scale: 60)
        let u = try buffer(values.floats)
        let output = try OwnedBuffer<Float>(count: 24)
        let probabilities = try OwnedBuffer<Float>(count: shape.scoreCountOfAll)
        let scratch = try OwnedBuffer<Float>(count: shape.scratchCount)
        subspaceAttention(
            u.pointer, probabilities: probabilities.pointer, output: output.pointer, scratch: scratch.pointer,
            shape: shape)
        #expect(copy(output).allSatisfy { $0.isFinite })
        #expect(copy(probabilities).allSatisfy { (0...1).contains($0) })
    }
}
