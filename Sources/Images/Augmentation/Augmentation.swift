/// What training on labels does to an image beyond crop and flip; without any of it an image stays as it is.
package struct Augmentation: Codable, Equatable, Sendable {
    /// How many operations of `RandomOperations` an image gets.
    package var operations: Int
    /// How strong they are, 0 to `RandomOperations.largestMagnitude`.
    package var magnitude: Int
    /// The probability that a rectangle is erased.
    package var erasing: Double
    /// Both shape parameters of the distribution of mixup's share; 0 for none.
    package var mixup: Double
    /// The same for cutmix. With both, each image gets one of them, by the toss of a coin.
    package var cutmix: Double

    /// An augmentation from its parts.
    package init(operations: Int = 0, magnitude: Int = 0, erasing: Double = 0, mixup: Double = 0, cutmix: Double = 0) {
        self.operations = operations
        self.magnitude = magnitude
        self.erasing = erasing
        self.mixup = mixup
        self.cutmix = cutmix
    }

    /// Whether every image is mixed with another one.
    package var mixes: Bool { mixup > 0 || cutmix > 0 }
}
