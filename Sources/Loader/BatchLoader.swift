import Base
import Foundation

/// Reads the micro-batches of a rank ahead, in one thread and bounded memory, so that whoever computes with them waits for
/// none unless reading is slower than computing.
///
/// What a sample is depends on (seed, epoch, sample) alone, never on the rank, the batch, or what was read before.
/// A class, since it ends its thread when nobody uses it any more.
package final class BatchLoader {
    /// Patches of an image that stay visible.
    package let visiblePatches: Int
    /// The terms that the loss of an image is the sum of: its hidden patches, or one with labels.
    package let lossTerms: Int
    /// The number of samples.
    package let count: Int
    /// What is wrong with shards that are missing, where their samples are substituted.
    package let missing: [Failure]
    private let ring: BatchRing

    /// Opens the shard directory and starts the reading thread, which waits for `begin`.
    ///
    /// Throws `Failure` when the directory is damaged, empty, or of another patch size, when the mask ratio hides none or
    /// all of the patches, when the shards have another number of classes, or when memory is short.
    package init(_ settings: LoaderSettings) throws {
        let reader = try BatchReader(settings)
        let ring = try BatchRing(
            capacity: settings.capacity, patchValues: reader.input.valueCount, patchCount: reader.input.patchCount,
            classes: settings.labels?.classes ?? 0)
        visiblePatches = reader.visiblePatches
        lossTerms = settings.labels == nil ? reader.input.patchCount - reader.visiblePatches : 1
        count = reader.count
        missing = reader.missing
        self.ring = ring
        // The thread alone uses the reader from here on.
        nonisolated(unsafe) let owned = reader
        let thread = Thread { owned.run(ring) }
        thread.name = "loader"
        thread.stackSize = 8 << 20
        thread.start()
    }

    /// Bytes of the micro-batches of `images` images that a loader keeps, of `patchCount` patches with `patchValues` values in all.
    package static func byteCount(images: Int, patchValues: Int, patchCount: Int, classes: Int = 0) -> Int {
        BatchRing.byteCount(capacity: images, patchValues: patchValues, patchCount: patchCount, classes: classes)
    }

    deinit { ring.stop() }

    /// Begins to read the micro-batches of `sequence`, whatever was read before.
    package func begin(_ sequence: BatchSequence, for purpose: SamplePurpose) { ring.begin(sequence, purpose) }

    /// The next micro-batch of the sequence, nil behind its last; ends the use of the one before.
    ///
    /// Throws the `Failure` that the reading thread met at this micro-batch.
    package func next() throws -> LoadedBatch? { try ring.take() }

    /// How many micro-batches are ready to be taken without waiting.
    package var readyCount: Int { ring.readyCount }
}
