import Base

/// The description of a model, without values: a masked autoencoder of some `Architecture`, or a classifier on its encoder or on that of
/// the supervised model.
package struct Model: Sendable {
    /// The encoder, and the decoder of an autoencoder.
    package let configuration: ModelConfiguration
    /// Nil for a masked autoencoder.
    package let classifier: ClassifierConfiguration?
    /// All trained parameters under their published names.
    package let layout: ParameterLayout
    /// The encoder block of each layer with a skip connection, which stochastic depth may leave out; nil in the decoder.
    package let branchBlocks: [Int?]
    private let blockOffsets: [Int]
    private let headOffset: Int

    /// A masked autoencoder. Throws `Failure` if its size overflows an integer.
    package init(_ configuration: ModelConfiguration) throws { try self.init(configuration, nil) }

    /// A classifier. Throws `Failure` if its size overflows an integer.
    package init(_ classifier: ClassifierConfiguration) throws { try self.init(classifier.encoder, classifier) }

    private init(_ configuration: ModelConfiguration, _ classifier: ClassifierConfiguration?) throws {
        let (network, layout, branches) = try Self.counted(configuration, classifier, visible: nil)
        self.configuration = configuration
        self.classifier = classifier
        self.layout = layout
        branchBlocks = branches
        blockOffsets = network.encoder.map(\.offset)
        headOffset = network.head.offset
    }

    /// Lays out the layers for a micro-batch of one image, without allocating memory.
    private static func counted(
        _ configuration: ModelConfiguration, _ classifier: ClassifierConfiguration?, visible: Int?
    ) throws -> (Network, ParameterLayout, branches: [Int?]) {
        var builder = try LayerBuilder(
            configuration, images: 1, visible: visible, .float32, .packed, threads: 1, arena: Arena(isCounting: true))
        let network = try Network(configuration, classifier, in: &builder)
        return (network, builder.layout, builder.branches)
    }

    /// Operations for one training image of whose patches `visible` (nil: all) are not hidden. Throws `Failure` as `init` does.
    package func operations(visible: Int? = nil) throws -> ModelOperations {
        let network = try Self.counted(configuration, classifier, visible: visible).0
        let blocks = network.blocks.map(\.operations)
        let head = network.head.operations
        let embedding = 2.0 * Double(configuration.patchCount * configuration.patchValueCount * configuration.dim)
        let shown = Double(visible ?? configuration.patchCount) / Double(configuration.patchCount)
        return ModelOperations(
            nominal: blocks.reduce(head) { $0 + $1.nominal }, executed: blocks.reduce(head) { $0 + $1.executed },
            blocks: zip(network.blocks, blocks).map { ($0.offset, $1.forward, $1.backward) },
            head: head / 3, embedding: shown * embedding)
    }

    /// The layer of the parameter at `offset`, for layer-wise learning-rate decay: 0 for the embedding, i + 1 for block
    /// i, depth + 1 for the head.
    package func layer(ofParameterAt offset: Int) -> Int {
        offset >= headOffset ? blockOffsets.count + 1 : blockOffsets.count { offset >= $0 }
    }

    package func isHead(_ parameter: Parameter) -> Bool { parameter.offset >= headOffset }
}

/// Floating-point operations of a model's matrix products for one training image.
package struct ModelOperations: Sendable {
    /// Forward and backward, with ISTA by its plain formula, without the embedding.
    package let nominal: Double
    /// The same as blocks and head execute them: ISTA's fewer products, scores with their padding.
    package let executed: Double
    /// What each block executes, encoder and decoder, without padding; the parameters of a block begin at `offset`.
    package let blocks: [(offset: Int, forward: Double, backward: Double)]
    /// Forward, of the head without its blocks; backward twice as many.
    package let head: Double
    /// Forward, of the embedding; backward as many.
    package let embedding: Double
}
