import Base

/// The description of a model, without values: a masked autoencoder, or a classifier on its encoder or on that of the
/// supervised CRATE.
///
/// Sources: Pai et al., Masked Completion via Structured Diffusion with White-Box Transformers (arXiv 2404.02446); Yu
/// et al., White-Box Transformers via Sparse Rate Reduction (arXiv 2306.01129).
package struct Model: Sendable {
    /// The encoder, and the decoder of an autoencoder.
    package let configuration: ModelConfiguration
    /// Nil for a masked autoencoder.
    package let classifier: ClassifierConfiguration?
    /// All trained parameters under their published names.
    package let layout: ParameterLayout
    /// Floating-point operations of the matrix products for one training image, forward and backward. ISTA is counted
    /// by its plain formula; the embedding, which depends on the mask, is not counted.
    package let operationsPerImage: Double
    /// The operations that the blocks and the head execute for it: ISTA's fewer products, scores with their padding.
    package let executedOperationsPerImage: Double
    private let blockOffsets: [Int]
    private let headOffset: Int

    /// A masked autoencoder. Throws `Failure` if its size overflows an integer.
    package init(_ configuration: ModelConfiguration) throws { try self.init(configuration, nil) }

    /// A classifier. Throws `Failure` if its size overflows an integer.
    package init(_ classifier: ClassifierConfiguration) throws { try self.init(classifier.encoder, classifier) }

    private init(_ configuration: ModelConfiguration, _ classifier: ClassifierConfiguration?) throws {
        // Lays out the layers for a micro-batch of one image, without allocating memory.
        var builder = try LayerBuilder(
            configuration, images: 1, .float32, .packed, threads: 1, arena: Arena(isCounting: true))
        let network = try Network(configuration, classifier, in: &builder)
        self.configuration = configuration
        self.classifier = classifier
        layout = builder.layout
        operationsPerImage = network.blocks.reduce(network.head.operations) { $0 + $1.operations }
        executedOperationsPerImage = network.blocks.reduce(network.head.operations) { $0 + $1.executedOperations }
        blockOffsets = network.encoder.map(\.offset)
        headOffset = network.head.offset
    }

    /// The layer of the parameter at `offset`, for layer-wise learning-rate decay: 0 for the embedding, i + 1 for block
    /// i, depth + 1 for the head.
    package func layer(ofParameterAt offset: Int) -> Int {
        offset >= headOffset ? blockOffsets.count + 1 : blockOffsets.count { offset >= $0 }
    }

    package func isHead(_ parameter: Parameter) -> Bool { parameter.offset >= headOffset }
}
