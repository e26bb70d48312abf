import Kernels

// N images, T tokens, D channels, H heads, E a head's rows with padding, V values a patch.

/// What one layer left of the last forward pass.
package struct PassTensor {
    /// The layer, by the names of its parameters.
    package let name: String
    /// Row-major extents.
    package let shape: [Int]
    /// The elements.
    package let values: Operand

    /// The number of elements.
    package var count: Int { shape.reduce(1, *) }

    /// The elements as floats.
    package func copy() -> [Float] {
        guard values.format == .bfloat16 else {
            return [Float](
                UnsafeBufferPointer(start: values.memory.assumingMemoryBound(to: Float.self), count: count))
        }
        let halves = values.memory.assumingMemoryBound(to: UInt16.self)
        return (0..<count).map { Float(bitPattern: UInt32(halves[$0]) << 16) }
    }
}

extension Workspace {
    /// What every layer of the masked autoencoder of `configuration`, whose workspace this is, left of the last forward pass over
    /// `images` images, in the order of computing. For looking for mistakes, before `Model.loss` overwrites the predictions.
    package borrowing func tensors(of configuration: ModelConfiguration, images: Int) -> [PassTensor] {
        let extent = shape.extent
        let tokens = [images, configuration.tokenCount, configuration.dim]
        func attention(_ name: String, _ saved: AttentionLayer.Saved) -> [PassTensor] {
            [
                PassTensor(name: "\(name).norm", shape: tokens, values: saved.norm.output),
                PassTensor(name: "\(name).fn.qkv", shape: tokens, values: saved.u),
                PassTensor(
                    name: "\(name).fn.attention", shape: [images, configuration.heads, extent, extent],
                    values: saved.probabilities),
                PassTensor(name: "\(name).fn.attended", shape: tokens, values: saved.attended),
                PassTensor(name: name, shape: tokens, values: Operand(saved.sum)),
            ]
        }
        var found = [PassTensor(name: "patch_embed", shape: tokens, values: Operand(activations.tokens))]
        for (index, saved) in activations.encoder.enumerated() {
            let name = "blocks.\(index).layers.0"
            found += attention("\(name).0", saved.attention)
            found.append(PassTensor(name: "\(name).1.norm", shape: tokens, values: saved.norm.output))
            found.append(PassTensor(name: "\(name).1", shape: tokens, values: Operand(saved.output)))
        }
        found.append(PassTensor(name: "norm", shape: tokens, values: Operand(activations.normed)))
        for (index, saved) in activations.decoder.enumerated() {
            let name = "decoder_blocks.\(index).layers.0"
            found.append(PassTensor(name: "\(name).0.norm", shape: tokens, values: saved.norm.output))
            found.append(PassTensor(name: "\(name).0", shape: tokens, values: Operand(saved.synthesised)))
            found += attention("\(name).1", saved.attention)
        }
        found.append(PassTensor(name: "decoder_norm", shape: tokens, values: activations.decoderNorm.output))
        let predicted = [images, configuration.tokenCount, configuration.patchValueCount]
        found.append(PassTensor(name: "decoder_pred", shape: predicted, values: Operand(activations.values)))
        return found
    }
}
