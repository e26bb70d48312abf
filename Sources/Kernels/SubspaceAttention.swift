// N images, T tokens, H heads, P channels a head, D = H P. A head's U, O and their gradients are columns
// h P ..< (h + 1) P of matrices (N T, D).

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
    var stride: Int { scoreStride(tokens: tokens) }

    /// Elements of one head's scores, padding included.
    public var scoreCount: Int { tokens * stride }
    /// Elements of all scores of all images, padding included.
    public var scoreCountOfAll: Int { images * heads * scoreCount }
}

/// Per image and head: A = softmax(U U^T / sqrt(P)), O = A U.
///
/// Head by head, so that the scores are still in cache for the second product.
///
/// - Parameters:
///   - u: (N T, D).
///   - probabilities: A, (N, H, T, stride), kept for the backward pass.
///   - output: O, (N T, D).
public func subspaceAttention(
    _ u: UnsafeMutablePointer<Float>, probabilities: UnsafeMutablePointer<Float>,
    output: UnsafeMutablePointer<Float>, shape: AttentionShape
) {
    let (tokens, headDim, dim, stride) = (shape.tokens, shape.headDim, shape.dim, shape.stride)
    let scale = 1 / Float(headDim).squareRoot()
    for image in 0..<shape.images {
        for head in 0..<shape.heads {
            let corner = image &* tokens &* dim &+ head &* headDim
            let scores = probabilities + (image &* shape.heads &+ head) &* shape.scoreCount
            let subspace = Matrix(u + corner, tokens, headDim, stride: dim)
            let attention = Matrix(scores, tokens, tokens, stride: stride)
            multiply(subspace, subspace.transposed, into: attention, scale: scale)
            softmaxRows(scores, tokens: tokens, stride: stride)
            multiply(attention, subspace, into: Matrix(output + corner, tokens, headDim, stride: dim))
        }
    }
}

/// Backward of `subspaceAttention`, per image and head:
///
///     dA = dO U^T;  dS = A * (dA - rowsum(A * dA));  dU = A^T dO + (dS + dS^T) U / sqrt(P)
///
/// Three products, since U is query and key at once.
///
/// - Parameters:
///   - dOutput: dO, (N T, D).
///   - du: (N T, D), overwritten.
///   - scratch: (T, stride).
public func subspaceAttentionBackward(
    _ dOutput: UnsafeMutablePointer<Float>, u: UnsafeMutablePointer<Float>,
    probabilities: UnsafeMutablePointer<Float>, into du: UnsafeMutablePointer<Float>,
    scratch: UnsafeMutablePointer<Float>, shape: AttentionShape
) {
    let (tokens, headDim, dim, stride) = (shape.tokens, shape.headDim, shape.dim, shape.stride)
    let scale = 1 / Float(headDim).squareRoot()
    for image in 0..<shape.images {
        for head in 0..<shape.heads {
            let corner = image &* tokens &* dim &+ head &* headDim
            let weights = probabilities + (image &* shape.heads &+ head) &* shape.scoreCount
            let subspace = Matrix(u + corner, tokens, headDim, stride: dim)
            let upstream = Matrix(dOutput + corner, tokens, headDim, stride: dim)
            let result = Matrix(du + corner, tokens, headDim, stride: dim)
            let scores = Matrix(scratch, tokens, tokens, stride: stride)
            multiply(upstream, subspace.transposed, into: scores)
            softmaxRowsBackward(scratch, probabilities: weights, tokens: tokens, stride: stride)
            symmetrise(scratch, tokens: tokens, stride: stride)
            multiply(Matrix(weights, tokens, tokens, stride: stride).transposed, upstream, into: result)
            multiply(scores, subspace, into: result, scale: scale, isAdding: true)
        }
    }
}
