// N images, L patches, V = 3 p p values a patch, K classes.

/// The images that a pass works on, in memory that somebody else owns.
package struct PatchBatch {
    /// Patches (N, L, V), values in (row, column, channel) order.
    package let patches: UnsafePointer<Float>
    /// (N, L), 1 where the patch is hidden from the encoder; nil where none is, and always nil for a classifier.
    package let mask: UnsafePointer<UInt8>?
    /// The probability that each class should have, (N, K); for the loss of a classifier.
    package let targets: UnsafePointer<Float>?
    /// N.
    package let images: Int

    /// A batch of `images` images.
    package init(
        patches: UnsafePointer<Float>, mask: UnsafePointer<UInt8>?, targets: UnsafePointer<Float>? = nil, images: Int
    ) {
        self.patches = patches
        self.mask = mask
        self.targets = targets
        self.images = images
    }

    /// Whether the patch in place `patch` of all N L is hidden.
    @inline(__always)
    func hides(_ patch: Int) -> Bool { mask.map { $0[patch] != 0 } ?? false }
}
