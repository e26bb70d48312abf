import Base
import Kernels

/// The division of a square image into square patches: patches by row of the grid, values of a patch in (row, column, channel) order.
package struct PatchGrid: Equatable, Sendable {
    /// The image's side S in pixels.
    package let imageSize: Int
    /// A patch's side p in pixels; divides S.
    package let patchSize: Int

    /// Patches along one side, S / p.
    package var patchesPerSide: Int { imageSize / patchSize }
    /// Patches of an image, L = (S / p)^2.
    package var patchCount: Int { patchesPerSide * patchesPerSide }
    /// Values of a patch, 3 p^2.
    package var valuesPerPatch: Int { patchSize * patchSize * 3 }
    /// Values of an image, 3 S^2.
    package var valueCount: Int { imageSize * imageSize * 3 }

    /// Throws `Failure` unless both sizes are positive, `patchSize` divides `imageSize`, and that is at most `PatchLimits.imageSize`.
    package init(imageSize: Int, patchSize: Int) throws {
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

    /// Writes the image (S, S, 3) as patches (L, p * p * 3).
    package func patchify(_ image: UnsafePointer<UInt8>, into patches: UnsafeMutablePointer<UInt8>) {
        forEachRun(side: imageSize, patchSize: patchSize, stride: patchSize) { inImage, inPatches, count in
            (patches + inPatches).update(from: image + inImage, count: count)
        }
    }

    /// Writes patches (L, p * p * 3) as the image (S, S, 3); the inverse of `patchify`.
    package func unpatchify(_ patches: UnsafePointer<UInt8>, into image: UnsafeMutablePointer<UInt8>) {
        forEachRun(side: imageSize, patchSize: patchSize, stride: patchSize) { inImage, inPatches, count in
            (image + inImage).update(from: patches + inPatches, count: count)
        }
    }
}

/// Calls `body` for every row of every patch of an image with its place in the image, in the patches, and its 3 p values.
@inline(__always)
private func forEachRun(side: Int, patchSize: Int, stride: Int, _ body: (Int, Int, Int) -> Void) {
    let perSide = (side - patchSize) / stride + 1
    let run = patchSize * 3
    var inPatches = 0
    for gridRow in 0..<perSide {
        for gridColumn in 0..<perSide {
            for row in 0..<patchSize {
                body(((gridRow * stride + row) * side + gridColumn * stride) * 3, inPatches, run)
                inPatches += run
            }
        }
    }
}

/// Writes `hwc` (S, S, 3), values in 0...255, as patches (L, p * p * 3) of (x / 255 - mean) / deviation.
///
/// S is `side`, p `patchSize`, and L = G G with G = (S - p) / stride + 1, where `stride` is p unless another is given; `mean` and
/// `deviation` are per channel, in units of 0...1.
package func normalisedPatches(
    from hwc: UnsafePointer<Float>, side: Int, patchSize: Int, stride: Int? = nil, mean: SIMD3<Float>,
    deviation: SIMD3<Float>, into patches: UnsafeMutablePointer<Float>
) {
    let map = ChannelMap(factor: 1 / (255 * deviation), offset: -mean / deviation)
    forEachRun(side: side, patchSize: patchSize, stride: stride ?? patchSize) { inImage, inPatches, count in
        map.apply(to: hwc + inImage, count: count, into: patches + inPatches)
    }
}

/// x -> factor x + offset of x's channel, for whole RGB pixels.
///
/// Sixteen pixels fill three vectors, of which vector `part` begins with channel (16 part) mod 3 = part.
private struct ChannelMap {
    private typealias Vector = SIMD16<Float>
    private let factors: [3 of Vector]
    private let offsets: [3 of Vector]

    init(factor: SIMD3<Float>, offset: SIMD3<Float>) {
        func lanes(_ values: SIMD3<Float>, from first: Int) -> Vector {
            var result = Vector()
            for lane in 0..<16 { result[lane] = values[(lane + first) % 3] }
            return result
        }
        factors = [3 of Vector] { lanes(factor, from: $0) }
        offsets = [3 of Vector] { lanes(offset, from: $0) }
    }

    /// Writes `count` mapped values of `source`, which begins with a pixel, to `target`.
    @inline(__always)
    func apply(to source: UnsafePointer<Float>, count: Int, into target: UnsafeMutablePointer<Float>) {
        let input = UnsafeRawPointer(source)
        let output = UnsafeMutableRawPointer(target)
        var index = 0
        while index + 48 <= count {
            for part in 0..<3 {
                let place = 4 * index + 64 * part
                let values = (input + place).loadUnaligned(as: Vector.self)
                (output + place).storeBytes(of: values * factors[part] + offsets[part], as: Vector.self)
            }
            index += 48
        }
        while index < count {
            target[index] = source[index] * factors[0][index % 3] + offsets[0][index % 3]
            index += 1
        }
    }
}
