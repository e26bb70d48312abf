import Buffers
import Kernels
import Threads

// M = N T rows: all tokens of the N images of a micro-batch. D channels. Every matrix is row-major.

/// What each layer of one forward and backward pass works with, on one thread.
///
/// A thread owns some of the images: their rows of every matrix are its own to compute. Gradients of weights sum over
/// the rows of all images; there a thread owns a part of the weight, and `sync` comes between the two.
struct Pass {
    /// N of this thread's images, T, H and P.
    let shape: AttentionShape
    /// The first of this thread's images.
    let firstImage: Int
    /// N of all threads.
    let allImages: Int
    /// The flat parameter buffer.
    let parameters: UnsafeMutablePointer<Float>
    /// What `MaskedAutoencoder.prepare` made of the parameters.
    let prepared: UnsafeMutablePointer<Float>
    /// The flat gradient buffer, to which gradients are added. Not touched by a forward pass.
    let gradients: UnsafeMutablePointer<Float>
    let thread: Int
    let team: ThreadTeam
    let clock: PartClock

    var dim: Int { shape.heads * shape.headDim }
    /// This thread's rows.
    var rows: Int { shape.images * shape.tokens }
    /// The rows of all threads.
    var allRows: Int { allImages * shape.tokens }

    /// This thread's rows of the matrix (M, width) at `pointer`; `width` is D where nothing else is said.
    func own(_ pointer: UnsafeMutablePointer<Float>, width: Int? = nil) -> UnsafeMutablePointer<Float> {
        pointer + firstImage * shape.tokens * (width ?? dim)
    }

    /// This thread's rows of the matrix (M, width) at `pointer`.
    func tokens(_ pointer: UnsafeMutablePointer<Float>, width: Int? = nil) -> Matrix {
        Matrix(own(pointer, width: width), rows, width ?? dim)
    }

    /// The square weight matrix at `offset` of the layout.
    func weight(_ offset: Int) -> Matrix { Matrix(parameters + offset, dim, dim) }

    /// Waits for the other threads: what they wrote can be read, what they read can be overwritten.
    func sync() { team.sync() }

    /// Tells the stopwatch that `part` ends here.
    func finish(_ part: PassPart) {
        if thread == 0 { clock.finish(part) }
    }

    /// This thread's part of the gradient of the weight (outputs, inputs) at `offset`: dW += scale dy^T x over all
    /// rows, dy (M, outputs), x (M, inputs); both widths are D where nothing else is said.
    func addWeightGradient(
        _ offset: Int, _ dy: UnsafeMutablePointer<Float>, _ x: UnsafeMutablePointer<Float>, scale: Float = 1,
        outputs: Int? = nil, inputs: Int? = nil
    ) {
        let (outputs, inputs) = (outputs ?? dim, inputs ?? dim)
        let part = team.part(thread, of: outputs, grain: 16)
        guard !part.isEmpty else { return }
        multiply(
            Matrix(dy + part.lowerBound, allRows, part.count, stride: outputs).transposed,
            Matrix(x, allRows, inputs),
            into: Matrix(gradients + offset + part.lowerBound * inputs, part.count, inputs), scale: scale,
            isAdding: true)
    }

    /// This thread's part of the gradient of the bias at `offset`: db += sign (sum of all rows of dy (M, width)).
    func addBiasGradient(_ offset: Int, _ dy: UnsafePointer<Float>, sign: Float = 1, width: Int? = nil) {
        let width = width ?? dim
        let part = team.part(thread, of: width, grain: 16)
        addColumnSums(
            dy + part.lowerBound, sign: sign, rows: allRows, columns: part.count, stride: width,
            to: gradients + offset + part.lowerBound)
    }
}

/// Memory that a pass uses and nothing remembers.
struct Scratch {
    /// (M, D).
    let first: UnsafeMutablePointer<Float>
    /// (M, D).
    let second: UnsafeMutablePointer<Float>
    private let heads: UnsafeMutablePointer<Float>

    init(_ shape: AttentionShape, threads: Int, in arena: inout Arena) throws {
        let count = shape.images * shape.tokens * shape.heads * shape.headDim
        first = try arena.floats(count)
        second = try arena.floats(count)
        heads = try arena.floats(threads * shape.scratchCount)
    }

    /// What a thread works on one head with.
    func head(_ pass: Pass) -> UnsafeMutablePointer<Float> { heads + pass.thread * pass.shape.scratchCount }
}
