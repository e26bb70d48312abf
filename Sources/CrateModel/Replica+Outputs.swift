import Kernels

// N images of a micro-batch, T tokens, D channels.

/// Results of the last pass.
extension Replica {
    /// Loss of each image after `loss`, (N); for an autoencoder the sum over the hidden patches.
    package var imageLosses: UnsafeMutableBufferPointer<Double> { losses.elements }

    package var outputs: HeadOutputs { network.head.outputs }

    /// The encoder's tokens of an image in the last pass: T, or fewer if it omitted hidden patches.
    package var encoderTokenCount: Int { currentShapes.encoder.tokens }

    /// The output of encoder block `index`, (N, T, D).
    package func encoderOutput(_ index: Int) -> UnsafePointer<Float> { UnsafePointer(network.encoder[index].output) }

    /// The output of decoder block `index`, (N, T, D).
    package func decoderOutput(_ index: Int) -> UnsafePointer<Float> {
        UnsafePointer(network.head.blocks[index].output)
    }

    /// The norm of the last encoder block's output, (N, T, D).
    package var encoderNormed: UnsafePointer<Float> { UnsafePointer(network.head.normed) }

    /// The attention of token `query` of image `image` in head `head` of encoder block `block`: a row of A, (T). Where tokens do not
    /// attend to tokens, their membership of the head, whatever the query. Nil if the block has neither.
    package func attentionRow(block: Int, image: Int, head: Int, query: Int) -> [Float]? {
        let (shape, block) = (currentShapes.encoder, network.encoder[block])
        if let memberships = block.first.memberships {
            let own = memberships + image * shape.tokens * shape.heads + head
            return (0..<shape.tokens).map { own[$0 * shape.heads] }
        }
        let start = ((image * shape.heads + head) * shape.extent + query) * shape.extent
        return block.attention.map { PassTensor(name: "", shape: [shape.tokens], values: $0 + start).copy() }
    }

    /// The outputs of all layers in the last forward pass over `images` images, in order of computation. For debugging;
    /// call it before `loss` overwrites the outputs.
    package func tensors(images: Int) -> [PassTensor] {
        let shapes = currentShapes.of(images)
        let shape = shapes.encoder
        let tokens = PassTensor(
            name: "patch_embed", shape: [images, shape.tokens, shape.dim], values: Operand(network.embedding.tokens))
        let blocks = network.encoder.indices.flatMap {
            network.encoder[$0].tensors(network.input(ofBlock: $0), shape, parameters.pointer)
        }
        return [tokens] + blocks + network.head.tensors(shapes, parameters.pointer)
    }
}

/// The output of one layer in the last forward pass, with the layer's name as in the names of its parameters.
package struct PassTensor {
    package let name: String
    package let shape: [Int]
    /// The values, valid until the next pass.
    package let copy: () -> [Float]

    /// A tensor whose values are computed when they are read.
    init(name: String, shape: [Int], copy: @escaping () -> [Float]) {
        (self.name, self.shape, self.copy) = (name, shape, copy)
    }

    init(name: String, shape: [Int], values: Operand) {
        let count = shape.reduce(1, *)
        self.init(name: name, shape: shape) {
            guard values.format == .bfloat16 else {
                return [Float](
                    UnsafeBufferPointer(start: values.memory.assumingMemoryBound(to: Float.self), count: count))
            }
            let halves = values.memory.assumingMemoryBound(to: UInt16.self)
            return (0..<count).map { Float(bitPattern: UInt32(halves[$0]) << 16) }
        }
    }
}
