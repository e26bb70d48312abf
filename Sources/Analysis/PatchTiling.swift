import Base
import Kernels

/// How a square image is cut into patches: p x p pixels each, `stride` pixels apart.
///
/// Training uses stride p. With a smaller stride patches overlap and the model sees more of them; its positions are
/// interpolated for the finer grid.
package struct PatchTiling: Equatable, Sendable {
    /// The image's side S in pixels.
    package let imageSize: Int
    /// A patch's side p in pixels.
    package let patchSize: Int
    /// Pixels from one patch to the next.
    package let stride: Int

    /// G = (S - p) / stride + 1.
    package var patchesPerSide: Int { (imageSize - patchSize) / stride + 1 }

    /// Values of all patches, L V.
    var valueCount: Int { patchesPerSide * patchesPerSide * 3 * patchSize * patchSize }

    /// `stride` nil is `patchSize`. Throws `Failure` unless 0 < stride <= p <= S and the patches reach the image's last
    /// pixel.
    package init(imageSize: Int, patchSize: Int, stride: Int? = nil) throws {
        let stride = stride ?? patchSize
        guard (1...PatchLimits.imageSize).contains(imageSize), (1...imageSize).contains(patchSize) else {
            throw Failure(
                "patches of \(patchSize) pixels do not fit an image of \(imageSize)",
                hint: "choose an image size from \(patchSize) to \(PatchLimits.imageSize)")
        }
        guard (1...patchSize).contains(stride), (imageSize - patchSize) % stride == 0 else {
            let possible = (1...patchSize).filter { (imageSize - patchSize) % $0 == 0 }.map(String.init)
            throw Failure(
                "patches of \(patchSize) pixels, \(stride) apart, do not cover an image of \(imageSize)",
                hint: "choose another image size, or a stride of \(possible.joined(separator: ", "))")
        }
        guard (imageSize - patchSize) / stride < PatchLimits.patchesPerSide else {
            throw Failure(
                "\((imageSize - patchSize) / stride + 1) patches per side are more than \(PatchLimits.patchesPerSide)",
                hint: "choose a larger --stride or a smaller --image-size")
        }
        self.imageSize = imageSize
        self.patchSize = patchSize
        self.stride = stride
    }

    /// The patch with the centre nearest to the pixel at `row` and `column` of the image, rescaled to `side` pixels.
    func nearest(row: Int, column: Int, side: Int) -> Int {
        func patch(_ pixel: Int) -> Int { max(0, min(patchesPerSide - 1, Int(place(pixel, side: side).rounded()))) }
        return patch(row) * patchesPerSide + patch(column)
    }

    /// The coordinate of row or column `pixel` of the image, rescaled to `side` pixels, where the centres of patches
    /// are at 0, 1, ..., G - 1.
    func place(_ pixel: Int, side: Int) -> Float {
        let centre = (Float(pixel) + 0.5) * Float(imageSize) / Float(side)
        return (centre - Float(patchSize) / 2) / Float(stride)
    }
}
