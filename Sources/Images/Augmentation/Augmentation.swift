/// Augmentation of labelled images, in addition to crop and flip.
package struct Augmentation: Codable, Equatable, Sendable {
    /// Number of `RandomOperations` per image.
    package var operations: Int
    /// Magnitude of the operations, 0 to `RandomOperations.largestMagnitude`.
    package var magnitude: Int
    /// Probability of erasing a rectangle.
    package var erasing: Double
    /// Mixup's alpha; 0 disables it.
    package var mixup: Double
    /// Cutmix's alpha; 0 disables it. With both, each image gets one of them with probability 1/2.
    package var cutmix: Double

    package init(operations: Int = 0, magnitude: Int = 0, erasing: Double = 0, mixup: Double = 0, cutmix: Double = 0) {
        self.operations = operations
        self.magnitude = magnitude
        self.erasing = erasing
        self.mixup = mixup
        self.cutmix = cutmix
    }

    package var mixes: Bool { mixup > 0 || cutmix > 0 }
}
