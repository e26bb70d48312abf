import Base
import Images

/// Pictures as model input: framed, normalised, and cut into patches (N, L, V).
struct FramedPictures: ~Copyable {
    let capacity: Int
    let patches: OwnedBuffer<Float>
    /// Values of a picture (L V).
    let valueCount: Int
    private let tiling: PatchTiling
    private let normalisation: Normalisation
    private let framed: OwnedBuffer<Float>
    private var resampler: Resampler

    /// Throws `Failure` if memory is short.
    init(_ tiling: PatchTiling, _ normalisation: Normalisation, capacity: Int) throws {
        let valueCount = tiling.patchesPerSide * tiling.patchesPerSide * 3 * tiling.patchSize * tiling.patchSize
        let patches = try OwnedBuffer<Float>(count: capacity * valueCount)
        let framed = try OwnedBuffer<Float>(count: 3 * tiling.imageSize * tiling.imageSize)
        let resampler = try Resampler()
        self.patches = patches
        self.framed = framed
        self.resampler = resampler
        self.capacity = capacity
        self.valueCount = valueCount
        self.tiling = tiling
        self.normalisation = normalisation
    }

    /// `picture` framed but not normalised.
    mutating func image(of picture: Picture) throws -> Image {
        try resampler.resample(picture.image, framing: picture.framing)
    }

    mutating func place(_ picture: Picture, at index: Int) throws {
        let image = picture.image
        try resampler.resample(
            image.pixels, width: image.width, height: image.height, rowBytes: 3 * image.width,
            framing: picture.framing, into: framed.pointer)
        normalisedPatches(
            from: framed.pointer, side: tiling.imageSize, patchSize: tiling.patchSize, stride: tiling.stride,
            mean: normalisation.means, deviation: normalisation.deviations,
            into: patches.pointer + index * valueCount)
    }
}
