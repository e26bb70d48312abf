import Base
import Foundation

/// Reads the micro-batches of a rank ahead, on one thread and in bounded memory, so that training waits only if reading is slower than
/// computing.
///
/// A sample is a function of (seed, epoch, sample), never of the rank, the batch, or earlier reads. A class because its end stops the
/// thread.
package final class BatchLoader {
    /// Visible patches per image.
    package let visiblePatches: Int
    /// Terms of an image's loss: its hidden patches, or one with labels.
    package let lossTerms: Int
    /// Number of samples.
    package let count: Int
    /// Failures of missing shards whose samples are substituted.
    package let missing: [Failure]
    private let ring: BatchRing

    /// Opens the shard directory and starts the reading thread, which waits for `begin`.
    ///
    /// Throws `Failure` if the directory is corrupt, empty, or of another patch size, if the mask ratio hides no or all patches, if the
    /// number of classes differs, or if memory is short.
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
        // From here on only the thread uses the reader.
        nonisolated(unsafe) let owned = reader
        let thread = Thread { owned.run(ring) }
        thread.name = "loader"
        thread.stackSize = 8 << 20
        thread.start()
    }

    /// Bytes of a loader's ring for micro-batches of `images` images with `patchCount` patches of `patchValues` values in all.
    package static func byteCount(images: Int, patchValues: Int, patchCount: Int) -> Int {
        BatchRing.slotCount * images * (4 * (patchValues + 1) + patchCount)
    }

    deinit { ring.stop() }

    /// Starts reading `sequence`, and drops what was read before.
    package func begin(_ sequence: BatchSequence, for purpose: SamplePurpose) { ring.begin(sequence, purpose) }

    /// The next micro-batch, nil after the last; releases the previous one.
    ///
    /// Throws the `Failure` that the reading thread met at this micro-batch.
    package func next() throws -> LoadedBatch? { try ring.take() }

    /// Micro-batches that can be taken without waiting.
    package var readyCount: Int { ring.readyCount }
}
