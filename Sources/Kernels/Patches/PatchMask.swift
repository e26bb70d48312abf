import Base

/// How many of `patchCount` patches stay visible at mask ratio `ratio`: floor(patchCount (1 - ratio)),
/// for a ratio in 0...1.
package func visiblePatchCount(patchCount: Int, ratio: Double) -> Int {
    Int(Double(patchCount) * (1 - ratio))
}

/// Draws which patches are hidden: `visible` of the `patchCount` entries become 0, the others 1, every choice
/// equally likely.
package func drawMask(
    patchCount: Int, visible: Int, using generator: inout KeyedGenerator, into mask: UnsafeMutablePointer<UInt8>
) {
    // Selection sampling: patch after patch, each kept with the probability that leaves the count right.
    var missing = visible
    for patch in 0..<patchCount {
        let isVisible = generator.index(below: patchCount - patch) < missing
        mask[patch] = isVisible ? 0 : 1
        if isVisible { missing -= 1 }
    }
}
