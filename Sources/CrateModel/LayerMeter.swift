import Base
import Kernels

/// What is measured of each image in an encoder block, z being its input and h = z + MSSA(LN z).
package enum BlockMeasure: Int, CaseIterable, Sendable {
    /// The coding rate R^c of the tokens on the block's subspaces, the sum over heads of that of U = LN(z) W_u^T.
    case codingRate
    /// The same after the block's MSSA step: of LN(h) W_u^T, with the norm that stands before W_u, so that nothing but the
    /// tokens differs.
    case codingRateAfter
    /// The fraction of zeros in the block's output.
    case sparsity
    /// The fraction of LN(h), what the ISTA step begins with, that is not positive.
    case sparsityBefore
    /// The length of the ISTA step: ||z' - LN(h)||_F / ||LN(h)||_F.
    case istaStep
    /// The entropy of the attention in nats, the mean over heads and queries; ln T where all tokens get the same.
    case attentionEntropy
    /// That of the class token's queries alone.
    case classAttentionEntropy
}

/// What is measured of a block's weights.
package struct WeightMeasures: Equatable, Sendable {
    /// See `dictionaryCoherence`.
    package var dictionaryCoherence: Double
    /// See `subspaceOverlap`.
    package var subspaceOverlap: Double
}

/// Measures what forward passes of a model leave in a workspace.
///
/// Of an image there is a row of numbers: the block measures of each encoder block, block by block, and then the discrepancy
/// of each decoder block.
package struct LayerMeter: ~Copyable {
    /// Numbers of an image.
    package let rowCount: Int
    /// Encoder blocks.
    package var depth: Int { encoder.count }
    /// Decoder blocks that have an encoder block to be compared with.
    package let matchedDecoderDepth: Int
    private let configuration: ModelConfiguration
    private let encoder: [EncoderBlock]
    private let values: OwnedBuffer<Double>  // a row an image
    private let doubles: OwnedBuffer<Double>  // scratch of each thread
    private let doublesPerThread: Int

    /// A meter for passes over up to `images` images of `model` on `threads` threads. Throws `Failure` when memory is short.
    package init(_ model: Model, images: Int, threads: Int) throws {
        configuration = model.configuration
        encoder = model.encoder
        matchedDecoderDepth = min(configuration.depth, configuration.decoderDepth)
        rowCount = configuration.depth * BlockMeasure.allCases.count + matchedDecoderDepth
        doublesPerThread = codingRateScratchCount(tokens: configuration.tokenCount, headDim: configuration.headDim)
        let values = try OwnedBuffer<Double>(count: images * rowCount)
        let doubles = try OwnedBuffer<Double>(count: threads * doublesPerThread)
        self.values = values
        self.doubles = doubles
    }

    /// The numbers of image `index` of the last pass.
    package func row(_ index: Int) -> UnsafeMutableBufferPointer<Double> {
        UnsafeMutableBufferPointer(start: values.pointer + index * rowCount, count: rowCount)
    }

    /// Where a row has `measure` of encoder block `block`.
    package static func place(_ measure: BlockMeasure, block: Int) -> Int {
        block * BlockMeasure.allCases.count + measure.rawValue
    }

    /// Where a row has the discrepancy of decoder block `block`.
    package func discrepancyPlace(block: Int) -> Int { depth * BlockMeasure.allCases.count + block }

    /// Measures what the last forward pass over `images` images left in the workspace; see `BlockMeasure`. The discrepancy of
    /// decoder block l is ||y - z||_F / ||z||_F, y being its output and z the input of encoder block depth - 1 - l, which it
    /// is to bring back.
    package func measure(
        images: Int, parameters: UnsafeMutablePointer<Float>, workspace: borrowing Workspace
    ) {
        let (rows, rowCount, encoder) = (values.pointer, rowCount, encoder)
        let (scratch, scratchCount) = (doubles.pointer, doublesPerThread)
        let discrepancies = (0..<matchedDecoderDepth).map { discrepancyPlace(block: $0) }
        workspace.run(images, parameters, gradients: parameters) { pass, activations in
            let own = rows + pass.firstImage * rowCount
            for (index, block) in encoder.enumerated() {
                block.measure(pass, activations.encoder[index], scratch: scratch + pass.thread * scratchCount) {
                    measure, image, value in
                    own[image * rowCount + Self.place(measure, block: index)] = value
                }
            }
            for (index, place) in discrepancies.enumerated() {
                let block = encoder.count - 1 - index
                let input = block == 0 ? activations.tokens : activations.encoder[block - 1].output
                let count = pass.shape.tokens * pass.dim
                for image in 0..<pass.shape.images {
                    own[image * rowCount + place] = relativeDistance(
                        pass.own(activations.decoder[index].output) + image * count, pass.own(input) + image * count,
                        count: count)
                }
            }
        }
    }

    /// What the weights of `blocks` of the encoder are like, each on one of the threads. Throws `Failure` when memory is short.
    package func measureWeights(
        of blocks: [Int], parameters: UnsafePointer<Float>, team: ThreadTeam
    ) throws -> [WeightMeasures] {
        let (dim, heads, headDim) = (configuration.dim, configuration.heads, configuration.headDim)
        let scratch = try OwnedBuffer<Float>(count: team.count * 2 * dim * dim)
        let result = try OwnedBuffer<Double>(count: 2 * blocks.count)
        let (memory, values, encoder) = (scratch.pointer, result.pointer, encoder)
        team.run { thread in
            useSingleThreadedProducts()
            let (weights, products) = (memory + 2 * thread * dim * dim, memory + (2 * thread + 1) * dim * dim)
            for place in team.part(thread, of: blocks.count) {
                let block = encoder[blocks[place]]
                weights.update(from: parameters + block.map.offset, count: dim * dim)
                values[2 * place] = dictionaryCoherence(weights, dim: dim, products: products)
                weights.update(from: parameters + block.attention.subspaces.offset, count: dim * dim)
                values[2 * place + 1] = subspaceOverlap(
                    weights, subspaces: heads, rows: headDim, dim: dim, products: products)
            }
        }
        return blocks.indices.map {
            WeightMeasures(dictionaryCoherence: values[2 * $0], subspaceOverlap: values[2 * $0 + 1])
        }
    }
}
