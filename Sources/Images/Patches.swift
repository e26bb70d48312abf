import Base
import Kernels

/// The division of a square image into square patches: patches by row of the grid, values of a patch in (row, column, channel) order.
package struct PatchGrid: Equatable, Sendable {
    /// The image's side S in pixels.
    package let imageSize: Int
    /// A patch's side p in pixels; divides S.
    package let patchSize: Int
    /// C channels of 8 or 16 bits.
    package let pixel: PixelFormat

    /// Patches along one side, S / p.
    package var patchesPerSide: Int { imageSize / patchSize }
    /// Patches of an image, L = (S / p)^2.
    package var patchCount: Int { patchesPerSide * patchesPerSide }
    /// Values of a patch, C p^2.
    package var valuesPerPatch: Int { patchSize * patchSize * pixel.channels }
    /// Values of an image, C S^2.
    package var valueCount: Int { imageSize * imageSize * pixel.channels }
    /// Bytes of an image's values.
    package var byteCount: Int { valueCount * pixel.bytesPerValue }

    /// Throws `Failure` unless both sizes are positive, `patchSize` divides `imageSize`, and that is at most `PatchLimits.imageSize`.
    package init(imageSize: Int, patchSize: Int, pixel: PixelFormat = .rgb) throws {
        guard (1...PatchLimits.imageSize).contains(imageSize) else {
            throw Failure(
                "an image size of \(imageSize) is not in 1...\(PatchLimits.imageSize)",
                hint: "choose a size such as 256")
        }
        guard patchSize > 0, imageSize % patchSize == 0 else {
            throw Failure(
                "a patch size of \(patchSize) does not divide the image size \(imageSize)",
                hint: "choose a patch size that divides the image size, such as 16 for 256")
        }
        self.imageSize = imageSize
        self.patchSize = patchSize
        self.pixel = pixel
    }

    /// Visible patches if `maskRatio` of them are masked. Throws `Failure` if that leaves none or all.
    package func visiblePatches(maskRatio: Double) throws -> Int {
        let visible =
            maskRatio > 0 && maskRatio < 1 ? visiblePatchCount(patchCount: patchCount, ratio: maskRatio) : 0
        guard visible > 0, visible < patchCount else {
            throw Failure(
                "mask ratio \(maskRatio) hides none or all of \(patchCount) patches",
                hint: "choose --mask-ratio between 0 and 1, such as 0.75")
        }
        return visible
    }

    /// Writes the bytes of the image (S, S, C) as patches (L, p * p * C).
    package func patchify(_ image: UnsafePointer<UInt8>, into patches: UnsafeMutablePointer<UInt8>) {
        forEachRun(side: imageSize, patchSize: patchSize, stride: patchSize, values: pixel.bytesPerPixel) {
            inImage, inPatches, count in
            (patches + inPatches).update(from: image + inImage, count: count)
        }
    }

    /// Writes the bytes of patches (L, p * p * C) as the image (S, S, C); the inverse of `patchify`.
    package func unpatchify(_ patches: UnsafePointer<UInt8>, into image: UnsafeMutablePointer<UInt8>) {
        forEachRun(side: imageSize, patchSize: patchSize, stride: patchSize, values: pixel.bytesPerPixel) {
            inImage, inPatches, count in
            (image + inImage).update(from: patches + inPatches, count: count)
        }
    }
}

/// Calls `body` for every row of every patch of an image, whose pixels have `values` values: its place in the image, that in the patches,
/// and the number of its values.
@inline(__always)
private func forEachRun(side: Int, patchSize: Int, stride: Int, values: Int, _ body: (Int, Int, Int) -> Void) {
    let perSide = (side - patchSize) / stride + 1
    let run = patchSize * values
    var inPatches = 0
    for gridRow in 0..<perSide {
        for gridColumn in 0..<perSide {
            for row in 0..<patchSize {
                body(((gridRow * stride + row) * side + gridColumn * stride) * values, inPatches, run)
                inPatches += run
            }
        }
    }
}

/// Cuts images into patches of (x / 255 - mean) / deviation, mean and deviation of the value's channel.
package struct PatchNormaliser: ~Copyable {
    package let channels: Int
    /// x -> factor x + offset. Of the values from a pixel's first on, vector v maps those from 16 v to 16 v + 15; the next vector repeats
    /// the first.
    private let factors: OwnedBuffer<SIMD16<Float>>
    private let offsets: OwnedBuffer<SIMD16<Float>>
}

extension PatchNormaliser {
    /// Throws `Failure` if memory is short.
    package init(_ normalisation: Normalisation) throws {
        let channels = normalisation.mean.count
        let period = PixelFormat.vectorPeriod(channels: channels)
        self.init(
            channels: channels, factors: try OwnedBuffer(count: period), offsets: try OwnedBuffer(count: period))
        let (means, deviations) = (normalisation.mean.map(Float.init), normalisation.deviation.map(Float.init))
        for value in 0..<16 * period {
            let channel = value % channels
            factors.pointer[value / 16][value % 16] = 1 / (255 * deviations[channel])
            offsets.pointer[value / 16][value % 16] = -means[channel] / deviations[channel]
        }
    }

    /// Writes `image` (S, S, C), values in 0...255, as patches (L, p * p * C).
    ///
    /// S is `side`, p `patchSize`, and L = G G with G = (S - p) / stride + 1, where `stride` is p unless another is given.
    package func patches(
        of image: UnsafePointer<Float>, side: Int, patchSize: Int, stride: Int? = nil,
        into patches: UnsafeMutablePointer<Float>
    ) {
        forEachRun(side: side, patchSize: patchSize, stride: stride ?? patchSize, values: channels) {
            inImage, inPatches, count in
            map(image + inImage, count: count, into: patches + inPatches)
        }
    }

    /// Writes `count` mapped values of `source`, which begins with a pixel, to `target`.
    @inline(__always)
    private func map(_ source: UnsafePointer<Float>, count: Int, into target: UnsafeMutablePointer<Float>) {
        let input = UnsafeRawPointer(source)
        let output = UnsafeMutableRawPointer(target)
        let (factors, offsets, period) = (self.factors.pointer, self.offsets.pointer, self.factors.count)
        var (index, part) = (0, 0)
        while index &+ 16 <= count {
            let values = (input + 4 &* index).loadUnaligned(as: SIMD16<Float>.self)
            (output + 4 &* index).storeBytes(of: values * factors[part] + offsets[part], as: SIMD16<Float>.self)
            index &+= 16
            part = part &+ 1 == period ? 0 : part &+ 1
        }
        for lane in 0..<count &- index {
            target[index &+ lane] = source[index &+ lane] * factors[part][lane] + offsets[part][lane]
        }
    }
}
