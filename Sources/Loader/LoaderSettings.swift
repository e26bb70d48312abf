import Images
import Shards

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
    /// Seed of all random numbers in training.
    package var seed: UInt64
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
