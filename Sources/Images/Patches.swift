import Files

/// How a square image is cut into square patches: patches by row of the grid, values inside a patch in
/// (row, column, channel) order.
public struct PatchGrid: Equatable, Sendable {
    /// The image's side S in pixels.
    public let imageSize: Int
    /// A patch's side p in pixels; divides S.
    public let patchSize: Int

    /// Patches along one side, S / p.
    public var patchesPerSide: Int { imageSize / patchSize }
    /// Patches of an image, L = (S / p)^2.
    public var patchCount: Int { patchesPerSide * patchesPerSide }
    /// Values of a patch, 3 p^2.
    public var valuesPerPatch: Int { patchSize * patchSize * 3 }
    /// Values of an image, 3 S^2.
    public var valueCount: Int { imageSize * imageSize * 3 }

    /// The largest side of a stored image.
    public static let maximumImageSize = 4096

    /// Throws `Failure` unless both sizes are positive, `patchSize` divides `imageSize` and that is at most
    /// `maximumImageSize`.
    public init(imageSize: Int, patchSize: Int) throws {
        guard (1...PatchGrid.maximumImageSize).contains(imageSize) else {
            throw Failure(
                "an image size of \(imageSize) is not in 1...\(PatchGrid.maximumImageSize)",
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

    /// Writes the image (S, S, 3) as patches (L, p * p * 3).
    public func patchify(_ image: UnsafePointer<UInt8>, into patches: UnsafeMutablePointer<UInt8>) {
        forEachRun { inImage, inPatches, count in (patches + inPatches).update(from: image + inImage, count: count) }
    }

    /// Writes patches (L, p * p * 3) as the image (S, S, 3); the inverse of `patchify`.
    public func unpatchify(_ patches: UnsafePointer<UInt8>, into image: UnsafeMutablePointer<UInt8>) {
        forEachRun { inImage, inPatches, count in (image + inImage).update(from: patches + inPatches, count: count) }
    }

    /// Calls `body` for every row of every patch with its place in the image, in the patches, and its 3 p values.
    @inline(__always)
    func forEachRun(_ body: (Int, Int, Int) -> Void) {
        let run = patchSize * 3
        var inPatches = 0
        for gridRow in 0..<patchesPerSide {
            for gridColumn in 0..<patchesPerSide {
                for row in 0..<patchSize {
                    body(((gridRow * patchSize + row) * imageSize + gridColumn * patchSize) * 3, inPatches, run)
                    inPatches += run
                }
            }
        }
    }
}

/// Writes `hwc` (S, S, 3), values in 0...255, as patches (L, p * p * 3) of (x / 255 - mean) / deviation.
///
/// S is `side`, p `patchSize`, which divides it; `mean` and `deviation` are per channel, in units of 0...1.
public func normalisedPatches(
    from hwc: UnsafePointer<Float>, side: Int, patchSize: Int, mean: SIMD3<Float>, deviation: SIMD3<Float>,
    into patches: UnsafeMutablePointer<Float>
) {
    let factor = 1 / (255 * deviation)
    let offset = -mean / deviation
    let perSide = side / patchSize
    let run = patchSize * 3
    var target = patches
    for gridRow in 0..<perSide {
        for gridColumn in 0..<perSide {
            for row in 0..<patchSize {
                let source = hwc + ((gridRow * patchSize + row) * side + gridColumn * patchSize) * 3
                normaliseRun(source, count: run, factor: factor, offset: offset, into: target)
                target += run
            }
        }
    }
}

/// Writes `count` values x (whole RGB pixels) as factor * x + offset of their channel.
@inline(__always)
private func normaliseRun(
    _ source: UnsafePointer<Float>, count: Int, factor: SIMD3<Float>, offset: SIMD3<Float>,
    into target: UnsafeMutablePointer<Float>
) {
    // Sixteen pixels are three vectors; the channel of a lane repeats every three vectors.
    typealias Vector = SIMD16<Float>
    let input = UnsafeRawPointer(source)
    let output = UnsafeMutableRawPointer(target)
    var index = 0
    while index + 48 <= count {
        for part in 0..<3 {
            let bytes = 4 * (index + 16 * part)
            // Vector `part` starts with channel (16 * part) mod 3 = part.
            let values = (input + bytes).loadUnaligned(as: Vector.self)
            let result = values * lanes(of: factor, from: part) + lanes(of: offset, from: part)
            (output + bytes).storeBytes(of: result, as: Vector.self)
        }
        index += 48
    }
    while index < count {
        let channel = index % 3
        target[index] = source[index] * factor[channel] + offset[channel]
        index += 1
    }
}

/// The three values repeated over sixteen lanes, beginning with that of channel `first`.
@inline(__always)
private func lanes(of values: SIMD3<Float>, from first: Int) -> SIMD16<Float> {
    var result = SIMD16<Float>()
    for lane in 0..<16 { result[lane] = values[(lane + first) % 3] }
    return result
}
