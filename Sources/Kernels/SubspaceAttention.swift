// N images, T tokens, H heads, P channels a head, D = H P. A head's U, O and their gradients are columns
// h P ..< (h + 1) P of matrices (N T, D). E is T rounded up to whole tiles and vectors, P' is P rounded up to whole vectors:
// the scores of a head are (E, E), its other matrices are copied to (E, P'); what lies behind T and P is zero.

/// The extents that subspace attention works on.
public struct AttentionShape: Equatable, Sendable {
    /// Images of the micro-batch (N).
    public var images: Int
    /// Tokens of an image, the class token included (T).
    public let tokens: Int
    /// Heads (H).
    public let heads: Int
    /// Channels a head (P).
    public let headDim: Int

    /// The extents of `images` images.
    public init(images: Int, tokens: Int, heads: Int, headDim: Int) {
        self.images = images
        self.tokens = tokens
        self.heads = heads
        self.headDim = headDim
    }

    var dim: Int { heads * headDim }
    /// E.
    var extent: Int { ((tokens + tileRows - 1) / tileRows * tileRows + 15) / 16 * 16 }
    /// P'.
    var headStride: Int { (headDim + 15) / 16 * 16 }

    /// Elements of one head's scores, padding included.
    public var scoreCount: Int { extent * extent }
    /// Elements of all scores of all images, padding included.
    public var scoreCountOfAll: Int { images * heads * scoreCount }
    /// Elements that a thread needs as scratch, forward or backward.
    public var scratchCount: Int { 4 * extent * headStride + scoreCount }
}

/// One thread's scratch, cut up. The padding of `u`, `transposedU` and `upstream` is zero and stays so.
private struct HeadScratch {
    let u, transposedU, upstream, result, scores: UnsafeMutablePointer<Float>

    init(_ memory: UnsafeMutablePointer<Float>, _ shape: AttentionShape) {
        let count = shape.extent * shape.headStride
        (u, transposedU, upstream) = (memory, memory + count, memory + 2 * count)
        (result, scores) = (memory + 3 * count, memory + 4 * count)
    }

    /// Copies a head's U and its transpose.
    func load(_ corner: UnsafePointer<Float>, _ shape: AttentionShape) {
        copyRows(
            corner, stride: shape.dim, rows: shape.tokens, columns: shape.headDim, to: u,
            targetStride: shape.headStride)
        transpose(
            u, stride: shape.headStride, rows: shape.extent, columns: shape.headStride, to: transposedU,
            targetStride: shape.extent)
    }

    /// Copies the result to where the head's columns are.
    func storeResult(_ corner: UnsafeMutablePointer<Float>, _ shape: AttentionShape) {
        copyRows(
            result, stride: shape.headStride, rows: shape.tokens, columns: shape.headDim, to: corner,
            targetStride: shape.dim)
    }
}

/// Per image and head: A = softmax(U U^T / sqrt(P)), O = A U.
///
/// Head by head, so that the scores are still in cache for the second product; half of them are computed, since they are
/// symmetric.
///
/// - Parameters:
///   - u: (N T, D).
///   - probabilities: A, (N, H, E, E), kept for the backward pass.
///   - output: O, (N T, D).
///   - scratch: `scratchCount` elements, zero before the first use.
public func subspaceAttention(
    _ u: UnsafePointer<Float>, probabilities: UnsafeMutablePointer<Float>, output: UnsafeMutablePointer<Float>,
    scratch: UnsafeMutablePointer<Float>, shape: AttentionShape
) {
    let (tokens, extent, width) = (shape.tokens, shape.extent, shape.headStride)
    let head = HeadScratch(scratch, shape)
    forEachHead(shape) { corner, index in
        let weights = probabilities + index &* shape.scoreCount
        head.load(u + corner, shape)
        tileProductByColumns(
            TileFactors(head.u, stride: width, head.transposedU, bStride: extent, depth: shape.headDim), rows: tokens,
            columns: extent, isSymmetric: true, into: weights, stride: extent)
        mirror(weights, extent: extent)
        softmaxRows(weights, scale: 1 / Float(shape.headDim).squareRoot(), tokens: tokens, stride: extent)
        tileProduct(
            TileFactors(weights, stride: extent, head.u, bStride: width, depth: tokens), rows: tokens, columns: width,
            into: head.result, stride: width)
        head.storeResult(output + corner, shape)
    }
}

/// Backward of `subspaceAttention`, per image and head:
///
///     dA = dO U^T;  dS = A * (dA - rowsum(A * dA)) / sqrt(P);  dU = A^T dO + (dS + dS^T) U
///
/// Three products, since U is query and key at once.
///
/// - Parameters:
///   - dOutput: dO, (N T, D).
///   - du: (N T, D), overwritten.
///   - scratch: `scratchCount` elements, zero before the first use.
public func subspaceAttentionBackward(
    _ dOutput: UnsafePointer<Float>, u: UnsafePointer<Float>, probabilities: UnsafePointer<Float>,
    into du: UnsafeMutablePointer<Float>, scratch: UnsafeMutablePointer<Float>, shape: AttentionShape
) {
    let (tokens, extent, width) = (shape.tokens, shape.extent, shape.headStride)
    let head = HeadScratch(scratch, shape)
    forEachHead(shape) { corner, index in
        let weights = probabilities + index &* shape.scoreCount
        head.load(u + corner, shape)
        copyRows(
            dOutput + corner, stride: shape.dim, rows: tokens, columns: shape.headDim, to: head.upstream,
            targetStride: width)
        tileProductByColumns(
            TileFactors(head.upstream, stride: width, head.transposedU, bStride: extent, depth: shape.headDim),
            rows: tokens, columns: extent, isSymmetric: false, into: head.scores, stride: extent)
        softmaxRowsBackward(
            head.scores, probabilities: weights, scale: 1 / Float(shape.headDim).squareRoot(), tokens: tokens,
            stride: extent)
        symmetrise(head.scores, extent: extent)
        tileProduct(
            TileFactors(transposed: weights, stride: extent, head.upstream, bStride: width, depth: tokens),
            plus: TileFactors(head.scores, stride: extent, head.u, bStride: width, depth: tokens),
            rows: tokens, columns: width, into: head.result, stride: width)
        head.storeResult(du + corner, shape)
    }
}

/// Calls `body` with the place of every head's first element in (N T, D) and its number in (N, H).
@inline(__always)
private func forEachHead(_ shape: AttentionShape, _ body: (Int, Int) -> Void) {
    for image in 0..<shape.images {
        for head in 0..<shape.heads {
            body(image &* shape.tokens &* shape.dim &+ head &* shape.headDim, image &* shape.heads &+ head)
        }
    }
}
