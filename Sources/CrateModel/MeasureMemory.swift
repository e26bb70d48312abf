import Buffers
import Kernels

/// What is measured of each image in an encoder block, z being its input and h = z + MSSA(LN z).
public enum BlockMeasure: Int, CaseIterable, Sendable {
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
public struct WeightMeasures: Equatable, Sendable {
    /// See `dictionaryCoherence`.
    public var dictionaryCoherence: Double
    /// See `subspaceOverlap`.
    public var subspaceOverlap: Double
}

/// The measures of the images of one pass, and memory to take them with.
///
/// Of an image there is a row of numbers: the block measures of each encoder block, block by block, and then the discrepancy
/// of each decoder block.
public struct MeasureMemory: ~Copyable {
    /// Numbers of an image.
    public let rowCount: Int
    /// Encoder blocks.
    public let depth: Int
    /// Decoder blocks that have an encoder block to be compared with.
    public let matchedDecoderDepth: Int
    /// A row an image.
    let values: OwnedBuffer<Double>
    private let doubles: OwnedBuffer<Double>
    private let doublesPerThread: Int

    /// Memory for up to `images` images of `model` on `threads` threads. Throws `Failure` when it is not to be had.
    public init(_ model: MaskedAutoencoder, images: Int, threads: Int) throws {
        let configuration = model.configuration
        depth = configuration.depth
        matchedDecoderDepth = min(configuration.depth, configuration.decoderDepth)
        rowCount = depth * BlockMeasure.allCases.count + matchedDecoderDepth
        doublesPerThread = codingRateScratchCount(tokens: configuration.tokenCount, headDim: configuration.headDim)
        let values = try OwnedBuffer<Double>(count: images * rowCount)
        let doubles = try OwnedBuffer<Double>(count: threads * doublesPerThread)
        self.values = values
        self.doubles = doubles
    }

    /// The numbers of image `index` of the last pass.
    public func row(_ index: Int) -> UnsafeMutableBufferPointer<Double> {
        UnsafeMutableBufferPointer(start: values.pointer + index * rowCount, count: rowCount)
    }

    /// Where a row has `measure` of encoder block `block`.
    public func place(_ measure: BlockMeasure, block: Int) -> Int {
        block * BlockMeasure.allCases.count + measure.rawValue
    }

    /// Where a row has the discrepancy of decoder block `block`.
    public func discrepancyPlace(block: Int) -> Int { depth * BlockMeasure.allCases.count + block }

    func scratch(thread: Int) -> UnsafeMutablePointer<Double> { doubles.pointer + thread * doublesPerThread }
}
