import Base
import Kernels
import Testing

/// A format of factors with the products that have it.
struct ProductCase: CustomTestStringConvertible {
    let format: OperandFormat
    let backend: ProductBackend

    var testDescription: String { "\(format), \(backend)" }

    static let all = ProductBackend.allCases.flatMap { backend in
        productFormats.filter { backend == .packed || $0 != .bfloat16 }.map {
            ProductCase(format: $0, backend: backend)
        }
    }
}

@Suite struct PackedMatrixTests {
    static let extents = [(3, 5, 7), (33, 17, 20), (16, 96, 40), (50, 48, 197), (7, 130, 33), (103, 1, 2)]

    @Test(arguments: ProductCase.all, extents)
    func productsMatchTheNaiveVersion(_ test: ProductCase, extents: (Int, Int, Int)) throws {
        let (m, n, k) = extents
        let a = try OperandBuffer(Values(m * k, key: 1).floats, test.format)
        let b = Values(k * n, key: 2)
        let rounded = try OperandBuffer(b.floats, test.format)
        for isTransposed in [false, true] {
            let memory = try OperandBuffer(count: PackedMatrix.count(depth: k, columns: n), test.format)
            let packed = PackedMatrix(memory.operand, depth: k, columns: n, test.backend)
            packed.pack(b.floats, isTransposed: isTransposed)
            let right = isTransposed ? Grid(n, k, rounded.doubles).transposed : Grid(k, n, rounded.doubles)
            let product = (Grid(m, k, a.doubles) * right).values

            let (addend, bias) = (Values(m * n, key: 3), Values(n, key: 4))
            for (hasAddend, hasBias) in [(false, false), (true, false), (false, true), (true, true)] {
                let sum = try OwnedBuffer<Float>(count: m * n)
                multiply(
                    Matrix(a.operand, m, k), packed, into: Matrix(sum.pointer, m, n),
                    adding: hasAddend ? addend.floats : nil, bias: hasBias ? bias.floats : nil, sign: -1)
                let expected = product.enumerated().map { index, value in
                    value + (hasAddend ? addend.doubles[index] : 0) - (hasBias ? bias.doubles[index % n] : 0)
                }
                #expect(relativeError(copy(sum), expected) < 1e-6)
            }
            let sum = try buffer(addend.floats)
            multiply(Matrix(a.operand, m, k), packed, into: Matrix(sum.pointer, m, n), adding: sum.pointer)
            #expect(relativeError(copy(sum), zip(addend.doubles, product).map { $0 + $1 }) < 1e-6)
            let factor = try OperandBuffer(count: m * n, test.format)
            multiply(Matrix(a.operand, m, k), packed, into: Matrix(factor.operand, m, n))
            #expect(relativeError(factor.doubles, product) < tolerance(test.format, fp32: 1e-6))
            if test.format != .float32 { #expect(factor.doubles.allSatisfy { nearestBFloat16($0) == $0 }) }
        }
    }

    /// C += A^T B with rows further apart than they are long, over more rows than are summed at a time.
    @Test(arguments: ProductCase.all, [(3, 5, 7), (50, 48, 197), (17, 70, 515)])
    func sumsOverRowsMatchTheNaiveVersion(_ test: ProductCase, extents: (Int, Int, Int)) throws {
        let (m, n, k) = extents
        let a = try OperandBuffer(Values(k * (m + 2), key: 1).floats, test.format)
        let b = try OperandBuffer(Values(k * n, key: 2).floats, test.format)
        let before = Values(m * n, key: 3)
        let result = try buffer(before.floats)
        let scratch = try OwnedBuffer<Float>(count: productScratchCount)
        addProduct(
            Matrix(a.operand + 1, k, m, stride: m + 2).transposed, Matrix(b.operand, k, n),
            to: Matrix(result.pointer, m, n), scratch: scratch.pointer, test.backend)
        let left = a.doubles
        let product = Grid(m, k) { left[$1 * (m + 2) + 1 + $0] } * Grid(k, n, b.doubles)
        #expect(relativeError(copy(result), zip(before.doubles, product.values).map(+)) < 1e-6)
    }

    @Test func stridedResultLeavesOtherColumnsUnchanged() throws {
        let (a, b) = (Values(4 * 6, key: 4), Values(3 * 2, key: 5))
        let left = try buffer(a.floats)
        let result = try OwnedBuffer<Float>(count: 4 * 5)
        let memory = try OperandBuffer(count: PackedMatrix.count(depth: 3, columns: 2), .float32)
        let packed = PackedMatrix(memory.operand, depth: 3, columns: 2, .packed)
        packed.pack(b.floats, isTransposed: false)
        multiply(
            Matrix(left.pointer + 1, 4, 3, stride: 6), packed, into: Matrix(result.pointer + 2, 4, 2, stride: 5))
        let product = Grid(4, 3) { Double(a.floats[6 * $0 + 1 + $1]) } * Grid(3, 2, b.doubles)
        let expected = Grid(4, 5) { (2...3).contains($1) ? product[$0, $1 - 2] : 0 }
        #expect(relativeError(copy(result), expected.values) < 1e-6)
    }
}
