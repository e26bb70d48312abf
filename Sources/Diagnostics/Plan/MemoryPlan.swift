import Collectives
import CrateModel
import Loader
import Training

/// Bytes that rank 0 allocates for training, by kind. Other ranks do not store the parameters of a checkpoint, and may
/// own a few more blocks of moments. The program and its libraries add some tens of megabytes.
package struct MemoryPlan: Encodable, Equatable, Sendable {
    package let parameters: Int
    /// Of one virtual rank.
    package let gradients: Int
    /// AdamW's two moments of the rank's part of the parameters.
    package let moments: Int
    /// Kept from the forward pass for the backward pass.
    package let activations: Int
    /// Not needed after a layer has run.
    package let scratch: Int
    /// Micro-batches that are ready or being read (`BatchLoader`); an evaluation has its own, as many again.
    package let readAhead: Int
    package let preparedWeights: Int
    /// Sums of virtual ranks that wait for their sibling in the tree (`LeafSum`).
    package let treeLevels: Int
    package let messages: Int
    /// Copies of parameters and moments that are written during training (`CheckpointSaver`).
    package let checkpoint: Int

    /// Throws `Failure` on integer overflow.
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
        let largest = model.layout.parameters.map(\.count).max() ?? 0
        checkpoint = parameters + moments + largest * float
        // One incoming piece in fp32; in bf16 two of half the size, one in each direction.
        messages = ranks == 1 ? 0 : GradientExchange.pieceCount * float
    }

    package var total: Int {
        parameters + gradients + moments + activations + scratch + readAhead + preparedWeights + treeLevels + messages
            + checkpoint
    }
}
