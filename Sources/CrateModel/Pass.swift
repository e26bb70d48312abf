import Buffers
import Kernels

// M = N T rows: all tokens of the N images of a micro-batch. D channels. Every matrix is row-major.

/// What each layer of one forward and backward pass works with.
struct Pass {
    /// N, T, H and P.
    let shape: AttentionShape
    /// The flat parameter buffer.
    let parameters: UnsafeMutablePointer<Float>
    /// The flat gradient buffer, to which gradients are added. Not touched by a forward pass.
    let gradients: UnsafeMutablePointer<Float>

    var rows: Int { shape.images * shape.tokens }
    var dim: Int { shape.heads * shape.headDim }
    /// Elements of a matrix with one row a token.
    var count: Int { rows * dim }

    /// The matrix of one row a token at `pointer`.
    func tokens(_ pointer: UnsafeMutablePointer<Float>) -> Matrix { Matrix(pointer, rows, dim) }

    /// The square weight matrix at `offset` of the layout.
    func weight(_ offset: Int) -> Matrix { Matrix(parameters + offset, dim, dim) }

    /// The gradient of the square weight matrix at `offset` of the layout.
    func weightGradient(_ offset: Int) -> Matrix { Matrix(gradients + offset, dim, dim) }
}

/// Memory that the backward pass uses and nothing remembers.
struct Scratch {
    /// (M, D).
    let first: UnsafeMutablePointer<Float>
    /// (M, D).
    let second: UnsafeMutablePointer<Float>
    /// (T, stride), one head's scores.
    let scores: UnsafeMutablePointer<Float>

    init(_ shape: AttentionShape, in arena: inout Arena) throws {
        let count = shape.images * shape.tokens * shape.heads * shape.headDim
        first = try arena.floats(count)
        second = try arena.floats(count)
        scores = try arena.floats(shape.scoreCount)
    }
}
