import Base
import Kernels

/// Metrics of one image in an encoder block, where z is the block's input and h = z + MSSA(LN z).
package enum BlockMetric: Int, CaseIterable, Sendable {
    /// Coding rate R^c of the tokens on the block's subspaces: the sum over heads for U = LN(z) W_u^T; of a ViT, for the keys.
    case codingRate
    /// The same after the MSSA step, for LN(h) W_u^T. LN has the parameters of the norm before W_u, so that only the
    /// tokens differ.
    case codingRateAfter
    /// Fraction of zeros in the code: the output of ISTA, or the hidden channels of an overcomplete dictionary. Behind a gelu the
    /// fraction of values within 1e-3 of zero.
    case sparsity
    /// Fraction of non-positive values in LN(h), the input of the ISTA step.
    case sparsityBefore
    /// Relative length of the ISTA step: ||z' - LN(h)||_F / ||LN(h)||_F.
    case istaStep
    /// Entropy of the attention in nats, mean over heads and queries; ln T for uniform attention.
    case attentionEntropy
    /// The same for the class token's queries only.
    case classAttentionEntropy
}

/// Metrics of a block's weights; see the functions of the same names in `Kernels`. NaN where a block has no such weights.
package struct WeightMetrics: Equatable, Sendable {
    package var dictionaryCoherence = Double.nan
    package var subspaceOverlap = Double.nan
}

/// Computes metrics from the state that forward passes leave in a replica.
///
/// An image has one row: the metrics of each encoder block, block by block, then the discrepancy of each decoder block.
/// Metrics that a kind of block does not define are NaN.
package struct LayerMeter: ~Copyable {
    package let rowCount: Int
    package let depth: Int
    /// Decoder blocks that have a corresponding encoder block.
    package let matchedDecoderDepth: Int
    private let values: OwnedBuffer<Double>  // (images, rowCount)
    private let doubles: OwnedBuffer<Double>  // scratch, one part per thread
    private let doublesPerThread: Int

    /// Throws `Failure` if memory is short.
    package init(_ model: Model, images: Int, threads: Int) throws {
        let configuration = model.configuration
        depth = configuration.depth
        // The decoder of a vision transformer is no inverse of its encoder.
        matchedDecoderDepth =
            configuration.architecture == .vit ? 0 : min(configuration.depth, configuration.decoderDepth)
        rowCount = configuration.depth * BlockMetric.allCases.count + matchedDecoderDepth
        doublesPerThread = codingRateScratchCount(tokens: configuration.tokenCount, headDim: configuration.headDim)
        let values = try OwnedBuffer<Double>(count: images * rowCount)
        let doubles = try OwnedBuffer<Double>(count: threads * doublesPerThread)
        self.values = values
        self.doubles = doubles
    }

    /// The metrics of image `index` of the last measurement.
    package func row(_ index: Int) -> UnsafeMutableBufferPointer<Double> {
        UnsafeMutableBufferPointer(start: values.pointer + index * rowCount, count: rowCount)
    }

    /// Index of `metric` of encoder block `block` in a row.
    package static func place(_ metric: BlockMetric, block: Int) -> Int {
        block * BlockMetric.allCases.count + metric.rawValue
    }

    /// Index of the discrepancy of decoder block `block` in a row.
    package func discrepancyPlace(block: Int) -> Int { depth * BlockMetric.allCases.count + block }

    /// Computes the metrics of the last forward pass over `images` images; see `BlockMetric`. The discrepancy of
    /// decoder block l is ||y - z||_F / ||z||_F, where y is its output and z the input of encoder block depth - 1 - l,
    /// which it should reconstruct.
    package func measure(images: Int, in replica: borrowing Replica) {
        let (rows, rowCount) = (values.pointer, rowCount)
        let (scratch, scratchCount) = (doubles.pointer, doublesPerThread)
        let discrepancies = (0..<matchedDecoderDepth).map { discrepancyPlace(block: $0) }
        values.pointer.update(repeating: .nan, count: images * rowCount)
        replica.run(images) { network, pass in
            let own = rows + pass.firstImage * rowCount
            for (index, block) in network.encoder.enumerated() {
                block.measure(
                    network.input(ofBlock: index), pass, scratch: scratch + pass.thread * scratchCount
                ) { metric, image, value in
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

    /// Metrics of the weights of encoder blocks `blocks`, one block per thread at a time. Throws `Failure` if memory is short.
    package func measureWeights(of blocks: [Int], in replica: borrowing Replica) throws -> [WeightMetrics] {
        let (dim, team, encoder) = (replica.model.configuration.dim, replica.team, replica.network.encoder)
        let scratch = try OwnedBuffer<Float>(count: team.count * 2 * dim * dim)
        var metrics = [WeightMetrics](repeating: WeightMetrics(), count: blocks.count)
        let (memory, parameters) = (scratch.pointer, UnsafePointer(replica.parameters.pointer))
        metrics.withUnsafeMutableBufferPointer { metrics in
            // Threads write disjoint elements.
            nonisolated(unsafe) let metrics = metrics
            team.run { thread in
                useSingleThreadedProducts()
                let own = memory + 2 * thread * dim * dim
                for place in team.part(thread, of: blocks.count) {
                    metrics[place] = encoder[blocks[place]].measureWeights(parameters, scratch: own)
                }
            }
        }
        return metrics
    }
}
