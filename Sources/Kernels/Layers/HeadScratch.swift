// T tokens, P channels per head; E and P' as in SubspaceAttention.swift.

/// A thread's copies of one head's matrices, and the products between them.
///
/// fp32 products use TileProduct.swift. bf16 products use oneDNN and include the padding, since its fast paths need
/// contiguous matrices.
struct HeadScratch<Element: OperandElement> {
    let shape: AttentionShape
    /// U, (E, P'), and its transpose. The padding of these and of `upstream` stays zero.
    let u, transposedU: UnsafeMutablePointer<Element>
    /// dO, (E, P').
    let upstream: UnsafeMutablePointer<Element>
    /// O or dU, (E, P').
    let result: UnsafeMutablePointer<Float>
    /// S or its gradient, (E, E).
    let scores: UnsafeMutablePointer<Float>

    @inline(__always)
    init(_ memory: UnsafeMutablePointer<Float>, _ shape: AttentionShape) {
        self.shape = shape
        let count = shape.extent * shape.headStride
        func elements(_ place: Int) -> UnsafeMutablePointer<Element> {
            UnsafeMutableRawPointer(memory + place * count).assumingMemoryBound(to: Element.self)
        }
        (u, transposedU, upstream) = (elements(0), elements(1), elements(2))
        (result, scores) = (memory + 3 * count, memory + 4 * count)
    }

    /// Copies a head's U and its transpose.
    @inline(__always)
    func load(_ corner: UnsafePointer<Element>) {
        copyRows(
            corner, stride: shape.dim, rows: shape.tokens, columns: shape.headDim, to: u,
            targetStride: shape.headStride)
        if Element.self == BFloat16.self {
            transpose(halves(u), to: halves(transposedU))
        } else {
            transpose(floats(u), to: floats(transposedU))
        }
    }

    /// Copies sign * dO of a head.
    @inline(__always)
    func loadUpstream(_ corner: UnsafePointer<Element>, sign: Float) {
        copyRows(
            corner, stride: shape.dim, sign: sign, rows: shape.tokens, columns: shape.headDim, to: upstream,
            targetStride: shape.headStride)
    }

    /// Copies sign * result to the head's columns.
    @inline(__always)
    func storeResult(_ corner: UnsafeMutablePointer<Element>, sign: Float) {
        copyRows(
            result, stride: shape.headStride, sign: sign, rows: shape.tokens, columns: shape.headDim, to: corner,
            targetStride: shape.dim)
    }

    /// S = A U^T, where A (E, P') is dO, or U with `isSymmetric`. In the symmetric case only half of S is computed.
    @inline(__always)
    func multiplyScores(_ a: UnsafeMutablePointer<Element>, isSymmetric: Bool) {
        let (tokens, extent, width) = (shape.tokens, shape.extent, shape.headStride)
        if Element.self == BFloat16.self {
            return multiply(
                Matrix(halves(a), tokens, width), Matrix(halves(transposedU), width, extent),
                into: Matrix(scores, tokens, extent))
        }
        tileProductByColumns(
            TileFactors(floats(a), stride: width, floats(transposedU), bStride: extent, depth: shape.headDim),
            rows: tokens, columns: extent, isSymmetric: isSymmetric, into: scores, stride: extent)
        if isSymmetric { mirror(scores, extent: extent) }
    }

    /// O = A U, A (E, E).
    @inline(__always)
    func multiplyValues(_ probabilities: UnsafeMutablePointer<Element>) {
        let (tokens, extent, width) = (shape.tokens, shape.extent, shape.headStride)
        if Element.self == BFloat16.self {
            return multiply(
                Matrix(halves(probabilities), tokens, extent), Matrix(halves(u), extent, width),
                into: Matrix(result, tokens, width))
        }
        tileProduct(
            TileFactors(floats(probabilities), stride: extent, floats(u), bStride: width, depth: tokens),
            rows: tokens, columns: width, into: result, stride: width)
    }

    /// dU = A^T dO + G U, A (E, E). G is the symmetric gradient in `scores`, converted to the format of the factors.
    @inline(__always)
    func multiplyGradient(_ probabilities: UnsafeMutablePointer<Element>) {
        let (tokens, extent, width) = (shape.tokens, shape.extent, shape.headStride)
        let gradient = UnsafeMutableRawPointer(scores).assumingMemoryBound(to: Element.self)
        if Element.self != Float.self { convert(scores, count: extent * extent, to: gradient) }
        if Element.self == BFloat16.self {
            let (weights, result) = (Matrix(halves(probabilities), extent, extent), Matrix(result, extent, width))
            multiply(weights.transposed, Matrix(halves(upstream), extent, width), into: result)
            return multiply(
                Matrix(halves(gradient), extent, extent), Matrix(halves(u), extent, width), into: result,
                isAdding: true)
        }
        tileProduct(
            TileFactors(
                transposed: floats(probabilities), stride: extent, floats(upstream), bStride: width, depth: tokens),
            plus: TileFactors(floats(gradient), stride: extent, floats(u), bStride: width, depth: tokens),
            rows: tokens, columns: width, into: result, stride: width)
    }

    @inline(__always)
    private func transpose<Scalar: SIMDScalar>(
        _ source: UnsafeMutablePointer<Scalar>, to target: UnsafeMutablePointer<Scalar>
    ) {
        Kernels.transpose(
            source, stride: shape.headStride, rows: shape.extent, columns: shape.headStride, to: target,
            targetStride: shape.extent)
    }

    @inline(__always)
    private func floats(_ elements: UnsafeMutablePointer<Element>) -> UnsafeMutablePointer<Float> {
        UnsafeMutableRawPointer(elements).assumingMemoryBound(to: Float.self)
    }

    @inline(__always)
    private func halves(_ elements: UnsafeMutablePointer<Element>) -> UnsafeMutablePointer<UInt16> {
        UnsafeMutableRawPointer(elements).assumingMemoryBound(to: UInt16.self)
    }
}

extension Matrix {
    fileprivate init(_ halves: UnsafeMutablePointer<UInt16>, _ rows: Int, _ columns: Int) {
        self.init(Operand(halves, .bfloat16), rows, columns)
    }
}
