import Collectives
import CrateModel
import Loader
import Training

/// Bytes that rank 0 allocates for training, by kind; other ranks do without the parameters of a checkpoint, and may have some
/// blocks of moments more. The program itself and its libraries come on top, some tens of megabytes.
package struct MemoryPlan: Encodable, Equatable, Sendable {
    /// The parameters, whole on every rank.
    package let parameters: Int
    /// The gradients of a virtual rank.
    package let gradients: Int
    /// AdamW's two moments of the rank's part of the parameters.
    package let moments: Int
    /// What a forward pass over a micro-batch leaves for the backward pass.
    package let activations: Int
    /// What passes use and nothing remembers.
    package let scratch: Int
    /// Micro-batches that are ready or being read (`BatchLoader`); an evaluation has as many of its own.
    package let readAhead: Int
    /// Weights as products take them.
    package let preparedWeights: Int
    /// Sums of virtual ranks that wait for their other half (`LeafSum`).
    package let treeLevels: Int
    /// Pieces of messages.
    package let messages: Int
    /// Copies of parameters and moments that are written while training goes on (`CheckpointSaver`).
    package let checkpoint: Int

    /// The memory of one of `ranks` ranks. Throws `Failure` when it is beyond what an integer counts.
    package init(_ configuration: TrainingConfiguration, ranks: Int, threads: Int, bucketBytes: Int) throws {
        let model = try Model(configuration.model)
        let passes = try ReplicaBytes(
            model, images: configuration.microBatch, precision: configuration.precision, threads: threads)
        let (count, float) = (model.layout.bufferCount, MemoryLayout<Float>.stride)
        let levels = LeafSum.levelCount(leaves: configuration.virtualRanks / ranks)
        parameters = count * float
        gradients = count * float
        let parts = Partition(count: count, bucketCount: bucketBytes / 4, ranks: ranks).parts(of: 0)
        moments = 2 * parts.reduce(0) { $0 + $1.count } * float
        activations = passes.activations
        scratch = passes.scratch
        readAhead = BatchLoader.byteCount(
            images: configuration.microBatch,
            patchValues: configuration.model.patchCount * configuration.model.patchValueCount,
            patchCount: configuration.model.patchCount)
        preparedWeights = passes.preparedWeights
        treeLevels = levels * count * float
        // A piece that comes in; in bf16 as much for two of half the size, one each way.
        let largest = model.layout.parameters.map(\.count).max() ?? 0
        checkpoint = parameters + moments + largest * float
        messages = ranks == 1 ? 0 : GradientExchange.pieceCount * float
    }

    /// All kinds together.
    package var total: Int {
        parameters + gradients + moments + activations + scratch + readAhead + preparedWeights + treeLevels + messages
            + checkpoint
    }
}
