// N images of a micro-batch, T tokens, H heads, P channels per head, D = H P. U, O and their gradients are (N T, D);
// head h has the columns h P ..< (h + 1) P. E is T rounded up to whole tiles and vectors, and P' is P rounded up to
// whole vectors. The scores of a head are (E, E), and its other matrices are copied to (E, P'). Padding is zero.

package struct AttentionShape: Equatable, Sendable {
    package var images: Int
    /// Tokens per image, including the class token (T).
    package var tokens: Int
    package let heads: Int
    package let headDim: Int

    package init(images: Int, tokens: Int, heads: Int, headDim: Int) {
        self.images = images
        self.tokens = tokens
        self.heads = heads
        self.headDim = headDim
    }

    package var dim: Int { heads * headDim }
    /// Rows and columns of a head's scores, including padding (E).
    package var extent: Int { ((tokens + tileRows - 1) / tileRows * tileRows + 15) / 16 * 16 }
    /// P'.
    var headStride: Int { (headDim + 15) / 16 * 16 }

    var scoreScale: Float { 1 / Float(headDim).squareRoot() }

    /// Elements of one head's scores, including padding.
    package var scoreCount: Int { extent * extent }
    /// Elements of all heads' scores of all images, including padding.
    package var scoreCountOfAll: Int { images * heads * scoreCount }
    /// Floats of scratch memory per thread, for the forward or the backward pass.
    package var scratchCount: Int { 4 * extent * headStride + scoreCount }
}

/// For each image and head: A = softmax(U U^T / sqrt(P)), O = sign A U.
///
/// Heads are processed one after another, so that the scores are still in cache for the second product.
///
/// `u` and `output` (O) are (N T, D). `probabilities` is A, (N, H, E, E), kept for the backward pass. `probabilities`
/// and the `scratchCount` elements of `scratch` must be zero before the first use. All operands have the same format.
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

/// Backward pass of `subspaceAttention`. For each image and head, with dO the gradient of A U:
///
///     dA = dO U^T;  dS = A * (dA - rowsum(A * dA)) / sqrt(P);  dU = A^T dO + (dS + dS^T) U
///
/// This takes only three products because U is both query and key.
///
/// `dOutput` is the gradient of the output, sign dO, (N T, D). `du` (N T, D) is overwritten. The `scratchCount`
/// elements of `scratch` must be zero before the first use. All operands have the same format.
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

/// Calls `body` for each head with the offset of its first element in (N T, D) and its index in (N, H).
@inline(__always)
private func forEachHead(_ shape: AttentionShape, _ body: (Int, Int) -> Void) {
    for image in 0..<shape.images {
        for head in 0..<shape.heads {
            body(image &* shape.tokens &* shape.dim &+ head &* shape.headDim, image &* shape.heads &+ head)
        }
    }
}
