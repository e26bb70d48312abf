import Base
import Kernels
import Testing

/// Sizes, parameters and input of two steps with an overcomplete dictionary.
private struct CodeCase {
    let rows = 5
    let dim = 12
    let atoms = 37
    let size = 0.3
    let lambda = 0.2
    let scale = 1.25
    let x, dictionary, decoder, upstream: Values
    var step: IstaStep { IstaStep(size: Float(size), lambda: Float(lambda)) }

    init() {
        x = Values(rows * dim, key: 1)
        dictionary = Values(dim * atoms, key: 2, scale: 0.3)
        decoder = Values(dim * atoms, key: 3, scale: 0.3)
        upstream = Values(rows * dim, key: 4)
    }

    /// The codes of both steps before they are cut at 0, and the output. Where `isOpen` is given, it says which are cut.
    func naive(
        _ x: [Double], _ w: [Double], _ decoder: [Double], isOpen: [Bool]? = nil
    ) -> (codes: [Double], output: [Double]) {
        func cut(_ a: Grid, _ first: Int) -> Grid {
            Grid(a.rows, a.columns) { isOpen?[first + $0 * a.columns + $1] ?? (a[$0, $1] > 0) ? a[$0, $1] : 0 }
        }
        let (x, w, decoder) = (Grid(rows, dim, x), Grid(dim, atoms, w), Grid(dim, atoms, decoder))
        let threshold = Grid(rows, atoms) { _, _ in size * lambda }
        let first = size * (x * w) - threshold
        let code = cut(first, 0)
        let second = code + size * ((x - code * w.transposed) * w) - threshold
        let output = scale * (cut(second, rows * atoms) * decoder.transposed)
        return (first.values + second.values, output.values)
    }
}

/// W or its like, and its transpose, packed for products.
private struct PackedDictionary: ~Copyable {
    /// (D, K) and (K, D).
    let forward, transposed: PackedMatrix
    private let panels, transposedPanels: OperandBuffer

    init(_ weight: [Float], dim: Int, atoms: Int, _ format: OperandFormat) throws {
        let panels = try OperandBuffer(count: PackedMatrix.count(depth: dim, columns: atoms), format)
        let transposedPanels = try OperandBuffer(count: PackedMatrix.count(depth: atoms, columns: dim), format)
        forward = PackedMatrix(panels.operand, depth: dim, columns: atoms, .packed)
        transposed = PackedMatrix(transposedPanels.operand, depth: atoms, columns: dim, .packed)
        self.panels = panels
        self.transposedPanels = transposedPanels
        forward.pack(weight, isTransposed: false)
        transposed.pack(weight, isTransposed: true)
    }
}

/// Both passes, composed as a block would.
private struct CodeRun: ~Copyable {
    let x, n, r, z, upstream: OperandBuffer
    let output, dx, dDictionary, dDecoder: OwnedBuffer<Float>

    init(_ test: CodeCase, _ format: OperandFormat) throws {
        let (rows, dim, atoms) = (test.rows, test.dim, test.atoms)
        let x = try OperandBuffer(test.x.floats, format)
        let n = try OperandBuffer(count: rows * atoms, format)
        let r = try OperandBuffer(count: rows * dim, format)
        let z = try OperandBuffer(count: rows * atoms, format)
        let upstream = try OperandBuffer(test.upstream.floats, format)
        let output = try OwnedBuffer<Float>(count: rows * dim)
        let dx = try OwnedBuffer<Float>(count: rows * dim)
        let dDictionary = try OwnedBuffer<Float>(count: dim * atoms)
        let dDecoder = try OwnedBuffer<Float>(count: dim * atoms)
        self.x = x
        self.n = n
        self.r = r
        self.z = z
        self.upstream = upstream
        self.output = output
        self.dx = dx
        self.dDictionary = dDictionary
        self.dDecoder = dDecoder
    }

    func compute(_ test: CodeCase) throws {
        let (dim, atoms, format) = (test.dim, test.atoms, x.operand.format)
        let w = try PackedDictionary(test.dictionary.floats, dim: dim, atoms: atoms, format)
        let decoder = try PackedDictionary(test.decoder.floats, dim: dim, atoms: atoms, format)
        try forward(test, w, decoder)
        try backward(test, w, decoder, format)
    }

    private func forward(
        _ test: CodeCase, _ w: borrowing PackedDictionary, _ decoder: borrowing PackedDictionary
    ) throws {
        let (rows, dim, atoms) = (test.rows, test.dim, test.atoms)
        let code = try OwnedBuffer<Float>(count: rows * atoms)
        let product = try OwnedBuffer<Float>(count: rows * dim)
        multiply(Matrix(x.operand, rows, dim), w.forward, into: Matrix(code.pointer, rows, atoms))
        firstCode(code.pointer, step: test.step, count: rows * atoms, into: n.operand)
        multiply(Matrix(n.operand, rows, atoms), w.transposed, into: Matrix(product.pointer, rows, dim))
        codeResidual(product.pointer, x: x.operand, count: rows * dim, into: r.operand)
        multiply(Matrix(r.operand, rows, dim), w.forward, into: Matrix(code.pointer, rows, atoms))
        secondCode(
            code.pointer, n: n.operand, step: test.step, scale: Float(test.scale), count: rows * atoms,
            into: z.operand)
        multiply(Matrix(z.operand, rows, atoms), decoder.transposed, into: Matrix(output.pointer, rows, dim))
    }

    private func backward(
        _ test: CodeCase, _ w: borrowing PackedDictionary, _ decoder: borrowing PackedDictionary,
        _ format: OperandFormat
    ) throws {
        let (rows, dim, atoms) = (test.rows, test.dim, test.atoms)
        let dz = try OperandBuffer(count: rows * atoms, format.result)
        let e2 = try OperandBuffer(count: rows * atoms, format)
        let dr = try OperandBuffer(count: rows * dim, format)
        let product = try OperandBuffer(count: rows * atoms, format.result)
        let e1 = try OperandBuffer(count: rows * atoms, format)
        let scratch = try OwnedBuffer<Float>(count: productScratchCount)
        multiply(Matrix(upstream.operand, rows, dim), decoder.forward, into: Matrix(dz.operand, rows, atoms))
        secondCodeBackward(
            dz.operand, z: z.operand, step: test.step, scale: Float(test.scale), count: rows * atoms, into: e2.operand)
        multiply(Matrix(e2.operand, rows, atoms), w.transposed, into: Matrix(dr.operand, rows, dim))
        multiply(Matrix(dr.operand, rows, dim), w.forward, into: Matrix(product.operand, rows, atoms))
        firstCodeBackward(
            e2.operand, p: product.operand, n: n.operand, step: test.step, count: rows * atoms, into: e1.operand)
        multiply(Matrix(e1.operand, rows, atoms), w.transposed, into: Matrix(dx.pointer, rows, dim))
        add(dx.pointer, dr.operand, count: rows * dim, into: dx.pointer)

        func addGradient(_ a: Operand, _ b: Operand, to gradient: UnsafeMutablePointer<Float>) {
            addProduct(
                Matrix(a, rows, dim).transposed, Matrix(b, rows, atoms), to: Matrix(gradient, dim, atoms),
                scratch: scratch.pointer, .packed)
        }
        addGradient(upstream.operand, z.operand, to: dDecoder.pointer)
        addGradient(r.operand, e2.operand, to: dDictionary.pointer)
        addGradient(dr.operand, n.operand, to: dDictionary.pointer)
        addGradient(x.operand, e1.operand, to: dDictionary.pointer)
    }
}

@Suite struct OvercompleteIstaTests {
    @Test(arguments: productFormats)
    func twoStepsAndTheirGradientsMatchTheNaiveVersion(_ format: OperandFormat) throws {
        let test = CodeCase()
        let run = try CodeRun(test, format)
        try run.compute(test)
        let (x, w, decoder) = (run.x.doubles, test.dictionary.doubles, test.decoder.doubles)
        let isOpen = (run.n.doubles + run.z.doubles).map { $0 != 0 }
        let expected = test.naive(x, w, decoder, isOpen: isOpen)
        #expect(relativeError(copy(run.output), expected.output) < tolerance(format, fp32: 1e-6) * 2)
        if format == .float32 {
            // Rounding must not reach the kinks. Rounded factors may move a code to the other side.
            #expect(expected.codes.allSatisfy { abs($0) > 1e-5 })
            #expect(isOpen == test.naive(x, w, decoder).codes.map { $0 > 0 })
        }

        let upstream = run.upstream.doubles
        func gradient(_ x: [Double], _ f: ([Double]) -> [Double]) -> [Double] {
            Naive.gradient(x) { dot(f($0), upstream) }
        }
        let bound = format == .float32 ? 2e-6 : 1e-2
        let dx = gradient(x) { test.naive($0, w, decoder, isOpen: isOpen).output }
        let dDictionary = gradient(w) { test.naive(x, $0, decoder, isOpen: isOpen).output }
        let dDecoder = gradient(decoder) { test.naive(x, w, $0, isOpen: isOpen).output }
        #expect(relativeError(copy(run.dx), dx) < bound)
        #expect(relativeError(copy(run.dDictionary), dDictionary) < bound)
        #expect(relativeError(copy(run.dDecoder), dDecoder) < bound)
    }

    /// Each part for itself, on counts that are no multiple of 16, also with results in place of inputs.
    @Test(arguments: [1, 16, 37], productFormats)
    func partsMatchTheirFormulas(count: Int, format: OperandFormat) throws {
        let step = IstaStep(size: 0.3, lambda: 0.2)
        let (a, b) = (Values(count, key: 1), Values(count, key: 2))
        let bound = tolerance(format, fp32: 1e-6)
        let n = try OperandBuffer(count: count, format)
        let z = try OperandBuffer(count: count, format)
        let r = try OperandBuffer(count: count, format)
        firstCode(a.floats, step: step, count: count, into: n.operand)
        #expect(relativeError(n.doubles, a.doubles.map { min(0, 0.06 - 0.3 * $0) }) < bound)
        codeResidual(b.floats, x: n.operand, count: count, into: r.operand)
        #expect(relativeError(r.doubles, zip(n.doubles, b.doubles).map(+)) < bound)
        secondCode(b.floats, n: n.operand, step: step, scale: 1.25, count: count, into: z.operand)
        let codes = zip(n.doubles, b.doubles).map { 1.25 * max(0, 0.3 * $1 - $0 - 0.06) }
        #expect(relativeError(z.doubles, codes) < bound)
        // Adding to zeros reads any format.
        let replaced = try buffer(b.floats)
        let sum = try OwnedBuffer<Float>(count: count)
        let result = Operand(replaced.pointer, format)
        secondCode(replaced.pointer, n: n.operand, step: step, scale: 1.25, count: count, into: result)
        add(sum.pointer, result, count: count, into: sum.pointer)
        #expect(copy(sum) == z.doubles)

        for upstream in [format.result, .float32] {
            let gradient = try OperandBuffer(Values(count, key: 3).floats, upstream)
            let e2 = try OperandBuffer(count: count, format)
            let e1 = try OperandBuffer(count: count, format)
            secondCodeBackward(gradient.operand, z: z.operand, step: step, scale: 1.25, count: count, into: e2.operand)
            let masked = zip(gradient.doubles, z.doubles).map { $1 > 0 ? 0.375 * $0 : 0 }
            #expect(relativeError(e2.doubles, masked) < bound)
            firstCodeBackward(
                e2.operand, p: gradient.operand, n: n.operand, step: step, count: count, into: e1.operand)
            let differences = zip(e2.doubles, gradient.doubles).map { $0 - 0.3 * $1 }
            #expect(relativeError(e1.doubles, zip(differences, n.doubles).map { $1 < 0 ? $0 : 0 }) < bound)
            firstCodeBackward(
                e2.operand, p: gradient.operand, n: n.operand, step: step, count: count, into: e2.operand)
            #expect(e2.doubles == e1.doubles)
        }
    }

}
