import Base

/// What is trained, without values: a masked autoencoder, or a classifier on its encoder or on that of the supervised CRATE.
///
/// Sources: Pai et al., Masked Completion via Structured Diffusion with White-Box Transformers (arXiv 2404.02446); Yu et al.,
/// White-Box Transformers via Sparse Rate Reduction (arXiv 2306.01129).
package struct Model: Sendable {
    /// Extents of the encoder, and of the decoder where there is one.
    package let configuration: ModelConfiguration
    /// What the classifier computes; nil for a masked autoencoder.
    package let classifier: ClassifierConfiguration?
    /// Every trained parameter under its published name.
    package let layout: ParameterLayout
    /// Floating-point operations of the products of one training image, forward and backward; ISTA's are counted by its plain
    /// formula, and the embedding's, which depend on the mask, are left out.
    package let operationsPerImage: Double
    private let blockOffsets: [Int]
    private let headOffset: Int

    /// A masked autoencoder. Throws `Failure` where it is larger than an integer can count.
    package init(_ configuration: ModelConfiguration) throws { try self.init(configuration, nil) }

    /// A classifier. Throws `Failure` where it is larger than an integer can count.
    package init(_ classifier: ClassifierConfiguration) throws { try self.init(classifier.encoder, classifier) }

    private init(_ configuration: ModelConfiguration, _ classifier: ClassifierConfiguration?) throws {
        // The layers of a micro-batch of one image, without memory.
        var builder = try LayerBuilder(
            configuration, images: 1, .float32, threads: 1, arena: Arena(isCounting: true))
        let network = try Network(configuration, classifier, in: &builder)
        self.configuration = configuration
        self.classifier = classifier
        layout = builder.layout
        operationsPerImage = network.blocks.reduce(network.head.operations) { $0 + $1.operations }
        blockOffsets = network.encoder.map(\.offset)
        headOffset = network.head.offset
    }

    /// The layer of the parameter at `offset`, for rates that fall from layer to layer: 0 for the embedding, i + 1 for block
    /// i, and one more for the head.
    package func layer(ofParameterAt offset: Int) -> Int {
        offset >= headOffset ? blockOffsets.count + 1 : blockOffsets.count { offset >= $0 }
    }

    /// Whether `parameter` belongs to what follows the encoder.
    package func isHead(_ parameter: Parameter) -> Bool { parameter.offset >= headOffset }
}
