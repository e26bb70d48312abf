import Kernels

/// One block of the encoder or the decoder, (M, D) -> (M, D): two layers, one after the other.
///
/// `Architecture+Blocks` says which layers make the blocks of an architecture.
struct Block {
    let first, second: any BlockLayer
    /// Which parts of a step their time counts towards.
    let parts: (first: StepPart, second: StepPart)

    /// Of the encoder.
    init(first: any BlockLayer, second: any BlockLayer) {
        (self.first, self.second) = (first, second)
        parts = (.mssa, .ista)
    }

    /// Of the decoder.
    init(decoding first: any BlockLayer, _ second: any BlockLayer) {
        (self.first, self.second) = (first, second)
        parts = (.decoder, .decoder)
    }

    /// Offset of its first parameter in the flat buffers. Its parameters end where those of the next block begin.
    var offset: Int { first.offset }
    /// z', the result of `forward`, (M, D).
    var output: UnsafeMutablePointer<Float> { second.output }
    var operations: LayerOperations { first.operations + second.operations }
    /// A of every head after a forward pass, (N, H, E, E); nil for a block without attention among tokens.
    var attention: Operand? { first.attention ?? second.attention }

    /// Computes z' of one image into `output`.
    func forward(_ z: UnsafeMutablePointer<Float>, _ image: Pass) {
        first.forward(z, image)
        image.lap(parts.first)
        second.forward(first.output, image)
        image.lap(parts.second)
    }

    /// Turns d from the gradient of z' into the gradient of z, and adds the gradients of the weights, over all images.
    func backward(_ d: UnsafeMutablePointer<Float>, z: UnsafeMutablePointer<Float>, _ pass: Pass) {
        pass.forEachImage { image in
            second.backward(d, x: first.output, image)
            image.lap(parts.second)
            first.backward(d, x: z, image)
            image.lap(parts.first)
        }
        pass.sync()
        second.addGradients(pass)
        pass.lap(parts.second)
        first.addGradients(pass)
        pass.lap(parts.first)
        pass.sync()
    }

    /// Packs the weights derived from parameters. Called by one thread.
    func prepare(_ pass: Pass) {
        first.prepare(pass)
        second.prepare(pass)
    }

    /// Completes the gradients after the last micro-batch. Called by all threads; afterwards the first thread sees all
    /// gradients.
    func completeGradients(_ pass: Pass) {
        pass.sync()
        if pass.thread == 0 { collectGradients(pass) }
        first.completeGradients(pass)
        pass.lap(parts.first)
        second.completeGradients(pass)
        pass.lap(parts.second)
    }

    /// See `NormLayer.collectGradients`.
    func collectGradients(_ pass: Pass) {
        first.collectGradients(pass)
        second.collectGradients(pass)
    }

    /// The outputs of the last forward pass, whose input was z, in order of computation.
    func tensors(
        _ z: UnsafeMutablePointer<Float>, _ shape: AttentionShape, _ parameters: UnsafePointer<Float>
    ) -> [PassTensor] {
        first.tensors(z, shape, parameters) + second.tensors(first.output, shape, parameters)
    }
}
