import Base
import Foundation
import Images
import Shards

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
    /// Number of samples, or of those chosen.
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
        count = settings.samples?.count ?? reader.count
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

/// How a loader uses labels.
package struct LabelSettings: Codable, Equatable, Sendable {
    /// The number of classes (K); must equal that of the shards.
    package var classes: Int
    /// Label smoothing in training.
    package var smoothing: Double
    /// Augmentation in training, in addition to crop and flip.
    package var augmentation: Augmentation

    package init(classes: Int, smoothing: Double = 0, augmentation: Augmentation = Augmentation()) {
        self.classes = classes
        self.smoothing = smoothing
        self.augmentation = augmentation
    }
}

package struct LoaderSettings: Sendable {
    /// The shard directory.
    package var path: String
    /// The side of the model's input in pixels.
    package var imageSize: Int
    /// The side of a patch in pixels.
    package var patchSize: Int
    package var normalisation: Normalisation
    /// Fraction of patches to mask; nil for none.
    package var maskRatio: Double?
    /// Nil if labels are not used. With labels nothing is masked.
    package var labels: LabelSettings?
    /// The smallest part of an image that a random crop takes in training, from 0 to 1.
    package var cropArea = RandomResizedCrop.smallestArea
    /// Seed of all random numbers in training.
    package var seed: UInt64
    /// The samples that the positions of an evaluation stand for; nil for all, in order.
    package var samples: [Int]?
    /// The most samples of a micro-batch.
    package var capacity: Int
    /// What to do at a corrupt sample.
    package var onCorruption: CorruptionPolicy
    /// Called before each sample is read, on the reading thread; lets tests simulate a slow disk.
    package var beforeSample: (@Sendable () -> Void)?

    package init(
        path: String, imageSize: Int, patchSize: Int, normalisation: Normalisation = .imageNet, maskRatio: Double?,
        labels: LabelSettings? = nil, seed: UInt64, capacity: Int, onCorruption: CorruptionPolicy = .stop
    ) {
        self.path = path
        self.imageSize = imageSize
        self.patchSize = patchSize
        self.normalisation = normalisation
        self.maskRatio = maskRatio
        self.labels = labels
        self.seed = seed
        self.capacity = capacity
        self.onCorruption = onCorruption
    }
}
