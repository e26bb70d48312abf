import Kernels

/// The gradient of a vector of parameters: each image's rows are summed on the thread that has the image, and the sums of the
/// images added in order. So it has the same bits on any number of threads.
struct VectorGradient {
    /// Of the parameter in the flat buffers.
    let offset: Int
    let count: Int
    private let sums: UnsafeMutablePointer<Float>  // (N, count)

    init(_ offset: Int, count: Int, in builder: inout LayerBuilder) throws {
        self.offset = offset
        self.count = count
        sums = try builder.floats(builder.shape.images * count)
    }

    /// The sums of the first image of `pass`, zeroed.
    func cleared(_ pass: Pass) -> UnsafeMutablePointer<Float> {
        let own = sums + pass.firstImage * count
        own.update(repeating: 0, count: count)
        return own
    }

    /// Adds the sums of all images. Called on one thread once all are done with the backward pass.
    func collect(_ pass: Pass) {
        let gradient = pass.gradients + offset
        for image in 0..<pass.allImages { add(gradient, Operand(sums + image * count), count: count, into: gradient) }
    }
}
