/// Which layers make a block. A new architecture is a case of `Architecture` and a case here.
extension Architecture {
    /// Encoder block `index`, named `name`.
    func encoderBlock(
        _ name: String, _ configuration: ModelConfiguration, isSupervised: Bool, in builder: inout LayerBuilder
    ) throws -> Block {
        let (initial, lambda) = (initial(isSupervised: isSupervised), configuration.lambda)
        switch self {
        case .crate:
            return Block(
                first: try SubspaceAttentionLayer("\(name).0", sign: 1, initial, in: &builder),
                second: try IstaLayer("\(name).1", lambda: lambda, in: &builder))
        case .crateAlpha:
            return Block(
                first: try SubspaceAttentionLayer(
                    "\(name).0", sign: 1, epsilon: 1e-6, hasBias: false, initial, in: &builder),
                second: try OvercompleteIstaLayer("\(name).1", sign: 1, lambda: lambda, in: &builder))
        case .tost:
            return Block(
                first: try TokenStatisticsLayer("\(name).0", sign: 1, initial, in: &builder),
                second: try IstaLayer("\(name).1", lambda: lambda, in: &builder))
        case .vit:
            let layers = try transformerLayers(name, initial, in: &builder)
            return Block(first: layers.0, second: layers.1)
        }
    }

    /// A decoder block is the encoder block in reverse, with the opposite sign where a step was added: in CRATE and ToST
    ///
    ///     h = LN(z) W^T, z' = h - attention(LN h)
    ///
    /// and in CRATE-alpha, whose sparse step has a skip connection, h = z - S(LN z), z' = h - attention(LN h). That of a vision
    /// transformer is the same as in the encoder. Nobody has published masked autoencoders of CRATE-alpha and ToST.
    func decoderBlock(
        _ name: String, _ configuration: ModelConfiguration, in builder: inout LayerBuilder
    ) throws -> Block {
        let initial = initial(isSupervised: false)
        switch self {
        case .crate:
            return Block(
                decoding: try DictionaryLayer("\(name).0", in: &builder),
                try SubspaceAttentionLayer("\(name).1", sign: -1, initial, in: &builder))
        case .crateAlpha:
            return Block(
                decoding: try OvercompleteIstaLayer("\(name).0", sign: -1, lambda: configuration.lambda, in: &builder),
                try SubspaceAttentionLayer(
                    "\(name).1", sign: -1, epsilon: 1e-6, hasBias: false, initial, in: &builder))
        case .tost:
            return Block(
                decoding: try DictionaryLayer("\(name).0", in: &builder),
                try TokenStatisticsLayer("\(name).1", sign: -1, initial, in: &builder))
        case .vit:
            let layers = try transformerLayers(name, initial, in: &builder)
            return Block(decoding: layers.0, layers.1)
        }
    }

    /// The prefix of the names of encoder block `index`.
    func blockName(_ index: Int, isSupervised: Bool) -> String {
        switch self {
        case .vit: "blocks.\(index)"
        case .crate, .crateAlpha, .tost:
            isSupervised ? "transformer.layers.\(index)" : "blocks.\(index).layers.0"
        }
    }

    func decoderBlockName(_ index: Int) -> String {
        self == .vit ? "decoder_blocks.\(index)" : "decoder_blocks.\(index).layers.0"
    }

    private func transformerLayers(
        _ name: String, _ initial: LinearInitial, in builder: inout LayerBuilder
    ) throws -> (SoftmaxAttentionLayer, PerceptronLayer) {
        (
            try SoftmaxAttentionLayer(("\(name).norm1", "\(name).attn"), initial, in: &builder),
            try PerceptronLayer(("\(name).norm2", "\(name).mlp"), initial, in: &builder)
        )
    }

    /// As the authors of each initialise products of attention and perceptrons.
    private func initial(isSupervised: Bool) -> LinearInitial {
        guard isSupervised else { return .xavier }
        switch self {
        case .crate, .tost: return .uniform
        case .crateAlpha, .vit: return .normal(deviation: 0.02)
        }
    }
}
