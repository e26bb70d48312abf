import Buffers
import Files
import Images

/// Pictures as a model takes them: framed, normalised, cut into patches (N, L, V).
struct FramedPictures: ~Copyable {
    /// The most pictures at a time.
    let capacity: Int
    let patches: OwnedBuffer<Float>
    private let grid: PatchGrid
    private let normalisation: Normalisation
    private let framed: OwnedBuffer<Float>
    private var resampler: Resampler

    /// Memory for `capacity` pictures. Throws `Failure` when it is short.
    init(_ grid: PatchGrid, _ normalisation: Normalisation, capacity: Int) throws {
        let patches = try OwnedBuffer<Float>(count: capacity * grid.valueCount)
        let framed = try OwnedBuffer<Float>(count: grid.valueCount)
        let resampler = try Resampler()
        self.patches = patches
        self.framed = framed
        self.resampler = resampler
        self.capacity = capacity
        self.grid = grid
        self.normalisation = normalisation
    }

    /// `picture` as the model is given it, in bytes.
    mutating func image(of picture: Picture) throws -> Image {
        try resampler.resample(picture.image, framing: picture.framing)
    }

    /// Puts `picture` in place `index`.
    mutating func place(_ picture: Picture, at index: Int) throws {
        let image = picture.image
        try resampler.resample(
            image.pixels, width: image.width, height: image.height, rowBytes: 3 * image.width,
            framing: picture.framing, into: framed.pointer)
        normalisedPatches(
            from: framed.pointer, side: grid.imageSize, patchSize: grid.patchSize, mean: normalisation.means,
            deviation: normalisation.deviations, into: patches.pointer + index * grid.valueCount)
    }
}
