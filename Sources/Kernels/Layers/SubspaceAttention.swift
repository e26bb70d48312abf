import CKernels

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
    package var extent: Int { (tokens + 15) / 16 * 16 }

    /// Elements of one head's scores, including padding.
    package var scoreCount: Int { extent * extent }
    /// Elements of all heads' scores of all images, including padding.
    package var scoreCountOfAll: Int { images * heads * scoreCount }
    /// Floats of scratch memory per thread, for the forward or the backward pass.
    package var scratchCount: Int { crate_head_scratch_count(Int32(tokens), Int32(headDim)) }

    var extents: crate_attention_shape {
        crate_attention_shape(
            images: Int32(images), tokens: Int32(tokens), heads: Int32(heads), head_dim: Int32(headDim))
    }
}

/// For each image and head: A = softmax(U U^T / sqrt(P)), O = sign A U.
///
/// Heads are processed one after another, so that the scores are still in cache for the second product.
///
/// `u` and `output` (O) are (N T, D). `probabilities` is A, (N, H, E, E), kept for the backward pass; its rows
/// past T are not written. What `probabilities` and the `scratchCount` elements of `scratch` contain before does not
/// matter, so T may change between calls. All operands have the same format.
package func subspaceAttention(
    _ u: Operand, probabilities: Operand, output: Operand, sign: Float, scratch: UnsafeMutablePointer<Float>,
    shape: AttentionShape
) {
    kernels.attend(u.format.elements, u.memory, probabilities.memory, output.memory, sign, scratch, shape.extents)
}

/// Backward pass of `subspaceAttention`. For each image and head, with dO the gradient of A U:
///
///     dA = dO U^T;  dS = A * (dA - rowsum(A * dA)) / sqrt(P);  dU = A^T dO + (dS + dS^T) U
///
/// This takes only three products because U is both query and key.
///
/// `dOutput` is the gradient of the output, sign dO, (N T, D). `du` (N T, D) is overwritten. `scratch` has
/// `scratchCount` elements. All operands have the same format.
package func subspaceAttentionBackward(
    _ dOutput: Operand, u: Operand, probabilities: Operand, into du: Operand, sign: Float,
    scratch: UnsafeMutablePointer<Float>, shape: AttentionShape
) {
    kernels.attend_backward(
        u.format.elements, dOutput.memory, u.memory, probabilities.memory, du.memory, sign, scratch, shape.extents)
}
