import Base

/// Upper bounds for sizes read from untrusted input, which determine how much memory is allocated.
package enum PatchLimits {
    /// The largest side of an image in pixels, for stored images and for model input.
    package static let imageSize = 4096
    package static let patchesPerSide = 128
}

/// The number of patches that stay visible at mask ratio `ratio` in 0...1: floor(patchCount (1 - ratio)).
package func visiblePatchCount(patchCount: Int, ratio: Double) -> Int {
    Int(Double(patchCount) * (1 - ratio))
}

/// Draws a uniformly random mask of `patchCount` entries: `visible` of them are 0, the others 1.
package func drawMask(
    patchCount: Int, visible: Int, using generator: inout KeyedGenerator, into mask: UnsafeMutablePointer<UInt8>
) {
    // Selection sampling: keep each patch with probability (visible patches to draw) / (patches left).
    var missing = visible
    for patch in 0..<patchCount {
        let isVisible = generator.index(below: patchCount - patch) < missing
        mask[patch] = isVisible ? 0 : 1
        if isVisible { missing -= 1 }
    }
}
