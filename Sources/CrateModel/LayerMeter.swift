import Base
import Kernels

/// What is measured of each image in an encoder block, z being its input and h = z + MSSA(LN z).
package enum BlockMetric: Int, CaseIterable, Sendable {
    /// The coding rate R^c of the tokens on the block's subspaces, the sum over heads of that of U = LN(z) W_u^T.
    case codingRate
    /// The same after the block's MSSA step: of LN(h) W_u^T, with the norm that stands before W_u, so that nothing but the
    /// tokens differs.
    case codingRateAfter
    /// The fraction of zeros in the block's output.
    case sparsity
    /// The fraction of LN(h), the input of the ISTA step, that is not positive.
    case sparsityBefore
    /// The length of the ISTA step: ||z' - LN(h)||_F / ||LN(h)||_F.
    case istaStep
    /// The entropy of the attention in nats, the mean over heads and queries; ln T where all tokens get the same.
    case attentionEntropy
    /// That of the class token's queries alone.
    case classAttentionEntropy
}

/// What is measured of a block's weights.
package struct WeightMetrics: Equatable, Sendable {
    /// See `Kernels.dictionaryCoherence`.
    package var dictionaryCoherence: Double
    /// See `Kernels.subspaceOverlap`.
    package var subspaceOverlap: Double
}

/// Measures what forward passes leave in a replica.
///
/// An image has a row of numbers: the metrics of each encoder block, block by block, and then the discrepancy of each decoder
/// block. Numbers that a kind of block does not have are NaN.
package struct LayerMeter: ~Copyable {
    /// Numbers of an image.
    package let rowCount: Int
    /// Encoder blocks.
    package let depth: Int
    /// Decoder blocks that have an encoder block to be compared with.
    package let matchedDecoderDepth: Int
    private let values: OwnedBuffer<Double>  // a row an image
    private let doubles: OwnedBuffer<Double>  // scratch of each thread
    private let doublesPerThread: Int

    /// A meter for passes over up to `images` images of `model` on `threads` threads. Throws `Failure` when memory is short.
    package init(_ model: Model, images: Int, threads: Int) throws {
        let configuration = model.configuration
        depth = configuration.depth
        matchedDecoderDepth = min(configuration.depth, configuration.decoderDepth)
        rowCount = configuration.depth * BlockMetric.allCases.count + matchedDecoderDepth
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

    /// Where a row has `metric` of encoder block `block`.
    package static func place(_ metric: BlockMetric, block: Int) -> Int {
        block * BlockMetric.allCases.count + metric.rawValue
    }

    /// Where a row has the discrepancy of decoder block `block`.
    package func discrepancyPlace(block: Int) -> Int { depth * BlockMetric.allCases.count + block }

    /// Measures what the last forward pass over `images` images left in `replica`; see `BlockMetric`. The discrepancy of
    /// decoder block l is ||y - z||_F / ||z||_F, y being its output and z the input of encoder block depth - 1 - l, which it
    /// is to restore.
    package func measure(images: Int, in replica: borrowing Replica) {
        let (rows, rowCount) = (values.pointer, rowCount)
        let (scratch, scratchCount) = (doubles.pointer, doublesPerThread)
        let discrepancies = (0..<matchedDecoderDepth).map { discrepancyPlace(block: $0) }
        values.pointer.update(repeating: .nan, count: images * rowCount)
        replica.run(images) { network, pass in
            let own = rows + pass.firstImage * rowCount
            for (index, block) in network.encoder.enumerated() {
                block.measure(pass, scratch: scratch + pass.thread * scratchCount) { metric, image, value in
                    own[image * rowCount + Self.place(metric, block: index)] = value
                }
            }
            for (index, place) in discrepancies.enumerated() {
                let input = network.input(ofBlock: network.encoder.count - 1 - index)
                let count = pass.shape.tokens * pass.dim
                for image in 0..<pass.shape.images {
                    own[image * rowCount + place] = relativeDistance(
                        pass.own(network.head.blocks[index].output) + image * count, pass.own(input) + image * count,
                        count: count)
                }
            }
        }
    }

    /// What the weights of `blocks` of the encoder of `replica` are like, each on one of the threads; nil where a kind of block
    /// does not say. Throws `Failure` when memory is short.
    package func measureWeights(of blocks: [Int], in replica: borrowing Replica) throws -> [WeightMetrics?] {
        let (dim, team, encoder) = (replica.model.configuration.dim, replica.team, replica.network.encoder)
        let scratch = try OwnedBuffer<Float>(count: team.count * 2 * dim * dim)
        var metrics = [WeightMetrics?](repeating: nil, count: blocks.count)
        let (memory, parameters) = (scratch.pointer, UnsafePointer(replica.parameters.pointer))
        metrics.withUnsafeMutableBufferPointer { metrics in
            // Each thread writes elements of its own.
            nonisolated(unsafe) let metrics = metrics
            team.run { thread in
                useSingleThreadedProducts()
                let own = memory + 2 * thread * dim * dim
                for place in team.part(thread, of: blocks.count) {
                    metrics[place] = encoder[blocks[place]].measureWeights(
                        parameters, weights: own, products: own + dim * dim)
                }
            }
        }
        return metrics
    }
}
