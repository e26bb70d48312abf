import Images
import Shards

/// What a loader makes of labels.
package struct LabelSettings: Codable, Equatable, Sendable {
    /// The number of classes (K), which must be that of the shards.
    package var classes: Int
    /// What training takes from the right class and shares out over all.
    package var smoothing: Double
    /// What training does to images beyond crop and flip.
    package var augmentation: Augmentation

    /// Settings from their parts.
    package init(classes: Int, smoothing: Double = 0, augmentation: Augmentation = Augmentation()) {
        self.classes = classes
        self.smoothing = smoothing
        self.augmentation = augmentation
    }
}

/// What a loader reads, and what it makes of it.
package struct LoaderSettings: Sendable {
    /// The shard directory.
    package var path: String
    /// The side of the model's input in pixels.
    package var imageSize: Int
    /// The side of a patch in pixels.
    package var patchSize: Int
    /// What pixels are normalised with.
    package var normalisation: Normalisation
    /// Fraction of the patches that is hidden; nil where none is.
    package var maskRatio: Double?
    /// What is made of labels; nil where there is no use for them. With labels nothing is hidden.
    package var labels: LabelSettings?
    /// Key of everything random in training.
    package var seed: UInt64
    /// The most samples of a micro-batch.
    package var capacity: Int
    /// What happens at a sample that cannot be read.
    package var onCorruption: CorruptionPolicy
    /// Called before each sample is read, on the reading thread. For tests: a slow disk.
    package var beforeSample: (@Sendable () -> Void)?

    /// Settings for a model's input; samples that cannot be read end the run.
    package init(
        path: String, imageSize: Int, patchSize: Int, normalisation: Normalisation = .imageNet, maskRatio: Double?,
        labels: LabelSettings? = nil, seed: UInt64, capacity: Int, onCorruption: CorruptionPolicy = .stop,
        beforeSample: (@Sendable () -> Void)? = nil
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
        self.beforeSample = beforeSample
    }
}
