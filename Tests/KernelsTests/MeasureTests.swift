import Base
import Foundation
import Kernels
import Testing

@Suite struct CodingRateTests {
    /// Fewer and more tokens than channels, in a matrix with columns of other heads.
    @Test(arguments: [(7, 20), (20, 7), (16, 16), (1, 3)], [OperandFormat.float32, .bfloat16, .roundedFloat32])
    func matchesTheDeterminantOverTokens(_ extents: (tokens: Int, headDim: Int), format: OperandFormat) throws {
        let (tokens, headDim) = extents
        let stride = headDim + 5
        let u = try OperandBuffer(Values(tokens * stride, key: 1).floats, format)
        let scratch = try OwnedBuffer<Double>(count: codingRateScratchCount(tokens: tokens, headDim: headDim))
        let rate = codingRate(
            u.operand + 3, stride: stride, tokens: tokens, headDim: headDim, scratch: scratch.pointer)
        let rows = (0..<tokens).map { token in (0..<headDim).map { u.doubles[token * stride + 3 + $0] } }
        #expect(abs(rate - naiveCodingRate(rows)) < 1e-9 * max(1, rate))
    }

    @Test func zeroTokenContributesNothing() throws {
        let (tokens, headDim) = (6, 4)
        var values = Values(tokens * headDim, key: 2).floats
        for channel in 0..<headDim { values[2 * headDim + channel] = 0 }
        let u = try buffer(values)
        let scratch = try OwnedBuffer<Double>(count: codingRateScratchCount(tokens: tokens, headDim: headDim))
        let rate = codingRate(
            Operand(u.pointer), stride: headDim, tokens: tokens, headDim: headDim, scratch: scratch.pointer)
        let rows = (0..<tokens).map { token in (0..<headDim).map { Double(values[token * headDim + $0]) } }
        #expect(rate.isFinite && abs(rate - naiveCodingRate(rows)) < 1e-9 * rate)
    }

    /// Half of log det(I + P / (T eps) Z Z^T) by elimination.
    private func naiveCodingRate(_ rows: [[Double]]) -> Double {
        let count = rows.count
        let unit = rows.map { row in
            let norm = dot(row, row).squareRoot()
            return norm > 0 ? row.map { $0 / norm } : row
        }
        let factor = Double(rows[0].count) / (Double(count) * 0.01)
        var matrix = (0..<count).map { i in (0..<count).map { factor * dot(unit[i], unit[$0]) + (i == $0 ? 1 : 0) } }
        var sum = 0.0
        for step in 0..<count {
            sum += log(matrix[step][step])
            for row in (step + 1)..<max(count, step + 1) {
                let ratio = matrix[row][step] / matrix[step][step]
                for column in step..<count { matrix[row][column] -= ratio * matrix[step][column] }
            }
        }
        return sum / 2
    }
}

@Suite struct SubspaceTests {
    @Test func orthonormalRowsSpanTheSameSpace() throws {
        let (rows, dim) = (5, 18)
        let values = Values(rows * dim, key: 3)
        let matrix = try buffer(values.floats)
        orthonormaliseRows(matrix.pointer, rows: rows, dim: dim)
        let basis = (0..<rows).map { row in (0..<dim).map { Double(matrix.pointer[row * dim + $0]) } }
        for i in 0..<rows {
            for j in 0..<rows { #expect(abs(dot(basis[i], basis[j]) - (i == j ? 1 : 0)) < 1e-6) }
            let row = Array(values.doubles[i * dim..<(i + 1) * dim])
            let inside = basis.reduce(0) { $0 + dot($1, row) * dot($1, row) }
            #expect(abs(inside / dot(row, row) - 1) < 1e-6)
        }
    }

    @Test func dependentRowBecomesZero() throws {
        var values = Values(3 * 10, key: 4).floats
        for i in 0..<10 { values[20 + i] = 2 * values[i] - values[10 + i] }
        let matrix = try buffer(values)
        orthonormaliseRows(matrix.pointer, rows: 3, dim: 10)
        #expect((20..<30).allSatisfy { matrix.pointer[$0] == 0 })
        #expect(abs(sumOfSquares(matrix.pointer, count: 20) - 2) < 1e-6)
    }

    @Test func overlapIsOneForEqualAndZeroForOrthogonalSubspaces() throws {
        // Three subspaces of two rows in eight dimensions: the first two are equal, and the third is orthogonal to
        // both.
        let products = try OwnedBuffer<Float>(count: 4)
        func overlap(_ rows: [[Float]]) throws -> Double {
            let bases = try buffer(rows.flatMap { $0 })
            return subspaceOverlap(
                bases.pointer, subspaces: rows.count / 2, rows: 2, dim: 8, products: products.pointer)
        }
        let (a, b): ([Float], [Float]) = ([3, 1, 0, 0, 0, 0, 0, 0], [1, -2, 0, 0, 0, 0, 0, 0])
        let (c, d): ([Float], [Float]) = ([0, 0, 0, 0, 5, 0, 0, 0], [0, 0, 0, 0, 1, 0, 2, 0])
        let sum = zip(a, b).map { $0 + 3 * $1 }
        #expect(abs(try overlap([a, b, sum, b]) - 1) < 1e-6)
        #expect(abs(try overlap([a, b, c, d])) < 1e-6)
        #expect(abs(try overlap([a, b, sum, b, c, d]) - 1.0 / 3) < 1e-6)
        #expect(try overlap([a, b]) == 0)
    }

    @Test func coherenceMatchesTheDistanceFromOrthonormalColumns() throws {
        let dim = 9
        let values = Values(dim * dim, key: 5)
        let dictionary = try buffer(values.floats)
        let products = try OwnedBuffer<Float>(count: dim * dim)
        let w = Grid(dim, dim, values.doubles)
        let distance = w.transposed * w - Grid(dim, dim) { $0 == $1 ? 1 : 0 }
        let sum = dot(distance.values, distance.values)
        let coherence = dictionaryCoherence(dictionary.pointer, dim: dim, products: products.pointer)
        #expect(abs(coherence - (sum / Double(dim)).squareRoot()) < 1e-5 * coherence)
        orthonormaliseRows(dictionary.pointer, rows: dim, dim: dim)
        #expect(dictionaryCoherence(dictionary.pointer, dim: dim, products: products.pointer) < 1e-5)
    }
}

@Suite struct ObservationTests {
    @Test(arguments: [1, 15, 16, 17, 1040])
    func nonPositiveElementsAndDistances(count: Int) throws {
        var x = Values(count, key: 6).floats
        for index in stride(from: 0, to: count, by: 3) { x[index] = index % 2 == 0 ? 0 : -0.0 }
        let y = Values(count, key: 7)
        #expect(countOfNonPositive(x, count: count) == x.count { $0 <= 0 })
        let expected = zip(x, y.doubles).reduce(0) { $0 + (Double($1.0) - $1.1) * (Double($1.0) - $1.1) }
        #expect(abs(sumOfSquaredDifferences(x, y.floats, count: count) - expected) < 1e-6 * expected)
    }

    /// Diffuse attention, and attention so sharp that most weights are zero.
    @Test(arguments: [(3, 0.6), (16, 0.6), (37, 0.6), (37, 6)], productFormats)
    func attentionEntropyMatchesTheFormula(_ test: (tokens: Int, scale: Double), format: OperandFormat) throws {
        let tokens = test.tokens
        let shape = AttentionShape(images: 1, tokens: tokens, heads: 2, headDim: 6)
        let u = try OperandBuffer(Values(tokens * 12, key: 8, scale: test.scale).floats, format)
        let weights = try OperandBuffer([Float](repeating: 0, count: shape.scoreCountOfAll), format)
        let output = try OperandBuffer([Float](repeating: 0, count: tokens * 12), format)
        let scratch = try OwnedBuffer<Float>(count: shape.scratchCount)
        subspaceAttention(
            u.operand, probabilities: weights.operand, output: output.operand, sign: 1, scratch: scratch.pointer,
            shape: shape)
        let extent = Int(Double(shape.scoreCount).squareRoot())
        try #require(extent >= tokens && shape.scoreCountOfAll == 2 * shape.scoreCount)
        let entropies = (0..<2).map { head in
            (0..<tokens).map { query in
                (0..<tokens).reduce(0.0) { sum, key in
                    let weight = weights.doubles[head * shape.scoreCount + query * extent + key]
                    return weight > 0 ? sum - weight * log(weight) : sum
                }
            }
        }
        let entropy = attentionEntropy(weights.operand, shape: shape)
        let expected = entropies.flatMap { $0 }.reduce(0, +) / Double(2 * tokens)
        #expect((expected > 0.5) == (test.scale < 1))
        #expect(abs(entropy.all - expected) < 1e-6)
        #expect(abs(entropy.classToken - (entropies[0][0] + entropies[1][0]) / 2) < 1e-6)
    }
}
