import Base
import Kernels

// M = N T rows: all tokens of the N images of a micro-batch. D channels, V values per patch. Every matrix is row-major.

/// The state of one forward or backward pass on one thread, shared by all layers.
///
/// A thread owns some of the images and computes their rows of every matrix. Gradients of weights sum over the rows of
/// all images; there a thread owns a part of the weight, and `sync` separates the two phases.
struct Pass {
    /// N of this thread's images, T, H and P, of the stage that runs.
    var shape: AttentionShape
    private let shapes: StageShapes
    private(set) var firstImage: Int
    /// N over all threads.
    let allImages: Int
    private let firstImageOfThread: Int
    let parameters: UnsafeMutablePointer<Float>
    let prepared: PreparedWeights
    /// Flat buffer to which gradients are added. Not used by a forward pass.
    let gradients: UnsafeMutablePointer<Float>
    let scratch: Scratch
    let thread: Int
    let team: ThreadTeam
    let clock: StepClock
    private let drops: BranchDrops?

    /// Of the encoder; see `decoder`.
    init(
        _ part: Range<Int>, of images: Int, _ shapes: StageShapes, drops: BranchDrops?,
        parameters: UnsafeMutablePointer<Float>, prepared: PreparedWeights, gradients: UnsafeMutablePointer<Float>,
        scratch: Scratch, thread: Int, team: ThreadTeam, clock: StepClock
    ) {
        (self.shapes, self.drops) = (shapes, drops)
        shape = shapes.encoder
        shape.images = part.count
        (firstImage, firstImageOfThread, allImages) = (part.lowerBound, part.lowerBound, images)
        (self.parameters, self.prepared, self.gradients, self.scratch) = (parameters, prepared, gradients, scratch)
        (self.thread, self.team, self.clock) = (thread, team, clock)
    }

    var dim: Int { shape.heads * shape.headDim }
    var rows: Int { shape.images * shape.tokens }
    var allRows: Int { allImages * shape.tokens }
    /// This thread's scratch for one head.
    var head: UnsafeMutablePointer<Float> { scratch.head(of: thread) }
    /// This thread's scratch for `addProduct`.
    var products: UnsafeMutablePointer<Float> { scratch.products(of: thread) }
    /// This thread's floats for what is wider than D, of one image; see `LayerBuilder.reserve`.
    var ownWide: UnsafeMutablePointer<Float> { scratch.wide(of: thread) }
    /// Scratch for values derived from a weight, shared by all threads.
    var derivation: UnsafeMutablePointer<Float> { scratch.derivation(of: 0) }
    /// Scratch for values that this thread derives from a weight, (D, D) or (D, V).
    var ownDerivation: UnsafeMutablePointer<Float> { scratch.derivation(of: thread) }

    /// This thread's rows of the matrix (M, width) at `pointer`; `width` nil is D.
    func own(_ pointer: UnsafeMutablePointer<Float>, width: Int? = nil) -> UnsafeMutablePointer<Float> {
        pointer + firstImage * shape.tokens * (width ?? dim)
    }

    func own(_ operand: Operand, width: Int? = nil) -> Operand {
        operand + firstImage * shape.tokens * (width ?? dim)
    }

    /// Calls `body` with a pass over each of this thread's images. What a layer computes for an image stays in the cache from one
    /// function to the next, where that of a micro-batch would not.
    func forEachImage(_ body: (Pass) -> Void) {
        var image = self
        image.shape.images = 1
        for index in 0..<shape.images {
            image.firstImage = firstImage + index
            body(image)
        }
    }

    /// The part of the memory of scratch at `operand` that this thread uses again for each of its images. It is the same in encoder and
    /// decoder, between whose forward passes threads do not wait for each other.
    func reused(_ operand: Operand) -> Operand { operand + firstImageOfThread * scratch.tokensPerImage }

    /// The same for `Scratch.first`, as elements of any format.
    func first(_ format: OperandFormat) -> Operand {
        Operand(scratch.first + firstImageOfThread * scratch.tokensPerImage, format)
    }

    /// The same for `Scratch.hiddenFirst` and `hiddenSecond`.
    func reusedHidden(_ operand: Operand) -> Operand { operand + firstImageOfThread * scratch.hiddenPerImage }

    /// The scores of this pass's images, of (N, H, E, E) at `operand`.
    func ownScores(_ operand: Operand) -> Operand { operand + firstImage * shape.heads * shape.scoreCount }

    /// The memory of this pass's rows of the matrix (M, D) at `pointer`.
    func memory(_ pointer: UnsafeMutablePointer<Float>) -> UnsafeRawBufferPointer { memory(Operand(pointer)) }

    func memory(_ operand: Operand, width: Int? = nil) -> UnsafeRawBufferPointer {
        UnsafeRawBufferPointer(
            start: own(operand, width: width).memory, count: rows * (width ?? dim) * operand.format.stride)
    }

    /// D values for each row of this pass, as a matrix.
    func matrix(_ operand: Operand) -> Matrix { Matrix(operand, rows, dim) }

    /// The same as a matrix.
    func tokens(_ operand: Operand, width: Int? = nil) -> Matrix {
        Matrix(own(operand, width: width), rows, width ?? dim)
    }

    func tokens(_ pointer: UnsafeMutablePointer<Float>, width: Int? = nil) -> Matrix {
        tokens(Operand(pointer), width: width)
    }

    /// x (M, width) as a factor: x itself, or its copy in `memory`, of which this thread writes its own rows.
    func factor(_ x: UnsafeMutablePointer<Float>, in memory: Operand, width: Int? = nil) -> Operand {
        guard prepared.format != .float32 else { return Operand(x) }
        convert(own(x, width: width), count: rows * (width ?? dim), into: own(memory, width: width))
        return memory
    }

    /// The same pass through the decoder.
    var decoder: Pass {
        var pass = self
        pass.shape = shapes.decoder
        pass.shape.images = shape.images
        return pass
    }

    /// The same pass over matrices that have one row per image instead of T.
    var ofImages: Pass {
        var pass = self
        pass.shape.tokens = 1
        return pass
    }

    /// Factor on what layer `branch` adds to its input, for the image of this pass: 1, or with stochastic depth 0 or more than 1.
    func scale(ofBranch branch: Int) -> Float { drops?.scale(image: firstImage, branch: branch) ?? 1 }

    /// y = x W^T + b in the format of factors, of this pass's rows alone: x (rows, inputs), y (rows, outputs).
    func project(_ x: Operand, by weight: Weight, bias: Int, into y: Operand) {
        // A product to which something is added is stored as floats.
        let floats = Operand(y.format == .bfloat16 ? UnsafeMutableRawPointer(ownWide) : y.memory, .float32)
        multiply(
            Matrix(x, rows, weight.inputs), prepared.forward(weight), into: Matrix(floats, rows, weight.outputs),
            bias: parameters + bias)
        guard y.format != .float32 else { return }
        convert(floats.floats, count: rows * weight.outputs, into: y)
    }

    /// Waits for the other threads: afterwards their writes are visible and their inputs may be overwritten.
    func sync() { team.sync() }

    /// Counts the time since the last lap towards `part`.
    func lap(_ part: StepPart) {
        if thread == 0 { clock.lap(part) }
    }

    /// This thread's part of the gradient of `weight`: dW += dy^T x over all rows, dy (M, outputs), x (M, inputs). The sum of
    /// one image is added after the other, so that its bits do not depend on how many images a micro-batch has.
    func addGradient(of weight: Weight, _ dy: Operand, _ x: Operand) {
        addGradient(of: weight, dy, x, rows: allRows, part: shape.tokens)
    }

    /// The same for `rows` rows, of which `part` at a time are summed before they are added.
    func addGradient(of weight: Weight, _ dy: Operand, _ x: Operand, rows: Int, part: Int) {
        let (outputs, inputs) = team.block(thread, rows: weight.outputs, columns: weight.inputs, grain: 16)
        guard !outputs.isEmpty, !inputs.isEmpty else { return }
        let corner = gradients + weight.offset + outputs.lowerBound * weight.inputs + inputs.lowerBound
        addProduct(
            Matrix(dy + outputs.lowerBound, rows, outputs.count, stride: weight.outputs).transposed,
            Matrix(x + inputs.lowerBound, rows, inputs.count, stride: weight.inputs), part: part,
            to: Matrix(corner, outputs.count, inputs.count, stride: weight.inputs), scratch: products,
            prepared.backend)
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
