// N images, L patches, V = 3 p p values per patch, K classes.

/// The input of a pass, in memory owned by the caller.
package struct PatchBatch {
    /// (N, L, V), values in (row, column, channel) order.
    package let patches: UnsafePointer<Float>
    /// (N, L), 1 if the patch is hidden from the encoder, the same number of each image; nil if none is, and always nil for a classifier.
    package let mask: UnsafePointer<UInt8>?
    /// Target probability of each class, (N, K); for the loss of a classifier.
    package let targets: UnsafePointer<Float>?
    package let images: Int
    /// Stochastic depth; nil drops nothing.
    package let drops: BranchDrops?

    package init(
        patches: UnsafePointer<Float>, mask: UnsafePointer<UInt8>?, targets: UnsafePointer<Float>? = nil, images: Int,
        drops: BranchDrops? = nil
    ) {
        self.patches = patches
        self.mask = mask
        self.targets = targets
        self.images = images
        self.drops = drops
    }

    /// Whether `patch`, an index into all N L patches, is hidden.
    @inline(__always)
    func hides(_ patch: Int) -> Bool { mask.map { $0[patch] != 0 } ?? false }
}
