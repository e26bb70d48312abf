// N images, T tokens, H heads, P channels a head, D = H P. A head's U, O and their gradients are columns
// h P ..< (h + 1) P of matrices (N T, D). E is T rounded up to whole tiles and vectors, P' is P rounded up to whole vectors:
// the scores of a head are (E, E), its other matrices are copied to (E, P'); what lies behind T and P is zero.

/// The extents that subspace attention works on.
package struct AttentionShape: Equatable, Sendable {
    /// Images of the micro-batch (N).
    package var images: Int
    /// Tokens of an image, the class token included (T).
    package var tokens: Int
    /// Heads (H).
    package let heads: Int
    /// Channels a head (P).
    package let headDim: Int

    /// The extents of `images` images.
    package init(images: Int, tokens: Int, heads: Int, headDim: Int) {
        self.images = images
        self.tokens = tokens
        self.heads = heads
        self.headDim = headDim
    }

    package var dim: Int { heads * headDim }
    /// Rows and columns of a head's scores, padding included (E).
    package var extent: Int { ((tokens + tileRows - 1) / tileRows * tileRows + 15) / 16 * 16 }
    /// P'.
    var headStride: Int { (headDim + 15) / 16 * 16 }

    /// What scores are scaled by, 1 / sqrt(P).
    var scoreScale: Float { 1 / Float(headDim).squareRoot() }

    /// Elements of one head's scores, padding included.
    package var scoreCount: Int { extent * extent }
    /// Elements of all scores of all images, padding included.
    package var scoreCountOfAll: Int { images * heads * scoreCount }
    /// Floats that a thread needs as scratch, forward or backward.
    package var scratchCount: Int { 4 * extent * headStride + scoreCount }
}

/// Per image and head: A = softmax(U U^T / sqrt(P)), O = sign A U.
///
/// Head by head, so that the scores are still in cache for the second product.
///
/// `u` is (N T, D), `output` O, (N T, D). `probabilities` is A, (N, H, E, E), kept for the backward pass; it and the
/// `scratchCount` elements of `scratch` are zero before the first use.
///
/// u, probabilities and output are of one format.
package func subspaceAttention(
    _ u: Operand, probabilities: Operand, output: Operand, sign: Float, scratch: UnsafeMutablePointer<Float>,
    shape: AttentionShape
) {
    switch u.format {
    case .float32: attend(HeadScratch<Float>(scratch, shape), u, probabilities, output, sign)
    case .bfloat16: attend(HeadScratch<BFloat16>(scratch, shape), u, probabilities, output, sign)
    case .roundedFloat32: attend(HeadScratch<RoundedFloat>(scratch, shape), u, probabilities, output, sign)
    }
}

/// Backward of `subspaceAttention`, per image and head, with dO the gradient of A U:
///
///     dA = dO U^T;  dS = A * (dA - rowsum(A * dA)) / sqrt(P);  dU = A^T dO + (dS + dS^T) U
///
/// Three products, since U is query and key at once.
///
/// `dOutput` is the gradient of the output, sign dO, (N T, D); `du`, (N T, D), is overwritten. The `scratchCount` elements of
/// `scratch` are zero before the first use.
///
/// dOutput, u, probabilities and du are of one format.
package func subspaceAttentionBackward(
    _ dOutput: Operand, u: Operand, probabilities: Operand, into du: Operand, sign: Float,
    scratch: UnsafeMutablePointer<Float>, shape: AttentionShape
) {
    switch u.format {
    case .float32: attendBackward(HeadScratch<Float>(scratch, shape), dOutput, u, probabilities, du, sign)
    case .bfloat16: attendBackward(HeadScratch<BFloat16>(scratch, shape), dOutput, u, probabilities, du, sign)
    case .roundedFloat32: attendBackward(HeadScratch<RoundedFloat>(scratch, shape), dOutput, u, probabilities, du, sign)
    }
}

@inline(__always)
private func attend<Element>(
    _ head: HeadScratch<Element>, _ u: Operand, _ probabilities: Operand, _ output: Operand, _ sign: Float
) {
    let shape = head.shape
    forEachHead(shape) { corner, index in
        let weights = probabilities.elements(Element.self) + index &* shape.scoreCount
        head.load(u.elements() + corner)
        head.multiplyScores(head.u, isSymmetric: true)
        softmaxRows(
            head.scores, scale: shape.scoreScale, tokens: shape.tokens, stride: shape.extent, into: weights)
        head.multiplyValues(weights)
        head.storeResult(output.elements() + corner, sign: sign)
    }
}

@inline(__always)
private func attendBackward<Element>(
    _ head: HeadScratch<Element>, _ dOutput: Operand, _ u: Operand, _ probabilities: Operand, _ du: Operand,
    _ sign: Float
) {
    let shape = head.shape
    forEachHead(shape) { corner, index in
        let weights = probabilities.elements(Element.self) + index &* shape.scoreCount
        head.load(u.elements() + corner)
        head.loadUpstream(dOutput.elements() + corner, sign: sign)
        head.multiplyScores(head.upstream, isSymmetric: false)
        softmaxRowsBackward(
            head.scores, probabilities: weights, scale: shape.scoreScale, tokens: shape.tokens, stride: shape.extent)
        symmetrise(head.scores, extent: shape.extent)
        head.multiplyGradient(weights)
        head.storeResult(du.elements() + corner, sign: 1)
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
