import Images

/// What a loader makes of labels.
public struct LabelSettings: Codable, Equatable, Sendable {
    /// The number of classes (K), which must be that of the shards.
    public var classes: Int
    /// What training takes from the right class and shares out over all.
    public var smoothing: Double
    /// What training does to images beyond crop and flip.
    public var augmentation: Augmentation

    /// Settings from their parts.
    public init(classes: Int, smoothing: Double = 0, augmentation: Augmentation = Augmentation()) {
        self.classes = classes
        self.smoothing = smoothing
        self.augmentation = augmentation
    }
}

/// What a loader reads, and what it makes of it.
public struct LoaderSettings: Sendable {
    /// The shard directory.
    public var path: String
    /// The side of the model's input in pixels.
    public var imageSize: Int
    /// The side of a patch in pixels.
    public var patchSize: Int
    /// What pixels are normalised with.
    public var normalisation: Normalisation
    /// Fraction of the patches that is hidden; nil where none is.
    public var maskRatio: Double?
    /// What is made of labels; nil where there is no use for them. With labels nothing is hidden.
    public var labels: LabelSettings?
    /// Key of everything random in training.
    public var seed: UInt64
    /// The most samples of a micro-batch.
    public var capacity: Int
    /// What happens at a sample that cannot be read.
    public var onDamage: DamagePolicy
    /// Called before each sample is read, on the reading thread. For tests: a slow disk.
    public var beforeSample: (@Sendable () -> Void)?

    /// Settings for a model's input; samples that cannot be read end the run.
    public init(
        path: String, imageSize: Int, patchSize: Int, normalisation: Normalisation = .imageNet, maskRatio: Double?,
        labels: LabelSettings? = nil, seed: UInt64, capacity: Int, onDamage: DamagePolicy = .stop,
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
        self.onDamage = onDamage
        self.beforeSample = beforeSample
    }
}
