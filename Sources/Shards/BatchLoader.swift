import Buffers
import Files
import Images
import Kernels

// N images of a micro-batch, L patches of the model's input, V = 3 p p values a patch.

/// Reads samples, frames them as the model sees them, and draws their masks.
///
/// What is drawn for a sample depends on (seed, epoch, sample) alone, never on the rank or the batch.
public struct BatchLoader: ~Copyable {
    /// Normalised patches of the last load (N, L, V), values in (row, column, channel) order.
    public let patches: OwnedBuffer<Float>
    /// Masks of the last load (N, L), 1 where hidden.
    public let mask: OwnedBuffer<UInt8>
    /// Patches of an image that stay visible.
    public let visiblePatches: Int
    /// The number of samples.
    public var count: Int { directory.count }

    private var directory: ShardDirectory
    private var sampler: Sampler
    private var resampler: Resampler
    private let seed: UInt64
    private let stored: PatchGrid
    private let input: PatchGrid
    private let storedPatches: OwnedBuffer<UInt8>  // one sample as stored
    private let storedImage: OwnedBuffer<UInt8>  // one sample, (S, S, 3)
    private let framed: OwnedBuffer<Float>  // one sample, (S', S', 3)

    /// Opens the shard directory `path` for a model of `imageSize` and `patchSize` pixels.
    ///
    /// Throws `Failure` when the directory is damaged, empty, or of another patch size.
    public init(
        path: String, imageSize: Int, patchSize: Int, maskRatio: Double, seed: UInt64, capacity: Int
    ) throws {
        let directory = try ShardDirectory(path: path)
        let stored = try directory.index.grid()
        let input = try PatchGrid(imageSize: imageSize, patchSize: patchSize)
        guard stored.patchSize == patchSize else {
            throw Failure(
                "\(path) holds patches of \(stored.patchSize) pixels, the model takes \(patchSize)",
                hint: "shard with --patch-size \(patchSize), or pretrain with --patch-size \(stored.patchSize)")
        }
        guard directory.count > 0 else { throw Failure("\(path) holds no samples", hint: "shard some images") }
        let isRatio = maskRatio > 0 && maskRatio < 1
        let visible = isRatio ? visiblePatchCount(patchCount: input.patchCount, ratio: maskRatio) : 0
        guard visible > 0, visible < input.patchCount else {
            throw Failure(
                "mask ratio \(maskRatio) hides none or all of \(input.patchCount) patches",
                hint: "choose --mask-ratio between 0 and 1, such as 0.75")
        }
        let resampler = try Resampler()
        let patches = try OwnedBuffer<Float>(count: capacity * input.valueCount)
        let mask = try OwnedBuffer<UInt8>(count: capacity * input.patchCount)
        let storedPatches = try OwnedBuffer<UInt8>(count: stored.valueCount)
        let storedImage = try OwnedBuffer<UInt8>(count: stored.valueCount)
        let framed = try OwnedBuffer<Float>(count: input.valueCount)

        sampler = Sampler(count: directory.count, seed: seed)
        self.directory = directory
        self.seed = seed
        self.stored = stored
        self.input = input
        self.resampler = resampler
        self.patches = patches
        self.mask = mask
        visiblePatches = visible
        self.storedPatches = storedPatches
        self.storedImage = storedImage
        self.framed = framed
    }

    /// Loads the training samples at `positions` of the run, randomly cropped and flipped.
    public mutating func loadTraining(positions: Range<Int>) throws {
        for (slot, position) in positions.enumerated() {
            let (epoch, sample) = sampler.sample(at: position)
            var augmentation = KeyedGenerator(seed: seed, .augmentation, epoch, sample)
            let framing = RandomResizedCrop.draw(
                width: stored.imageSize, height: stored.imageSize, side: input.imageSize, using: &augmentation)
            try load(sample: sample, framing: framing, slot: slot)
            var generator = KeyedGenerator(seed: seed, .mask, epoch, sample)
            drawMask(slot: slot, using: &generator)
        }
    }

    /// Loads the samples `samples` as evaluation sees them: centre crop, and a mask that is always the same.
    public mutating func loadEvaluation(samples: Range<Int>) throws {
        let framing = Framing.evaluation(stored: stored.imageSize, side: input.imageSize)
        for (slot, sample) in samples.enumerated() {
            try load(sample: sample, framing: framing, slot: slot)
            // Not keyed by the run's seed, so that the losses of different runs compare.
            var generator = KeyedGenerator(seed: 0, .evaluationMask, sample)
            drawMask(slot: slot, using: &generator)
        }
    }

    private mutating func load(sample: Int, framing: Framing, slot: Int) throws {
        try directory.read(sample: sample, into: storedPatches.pointer)
        stored.unpatchify(storedPatches.pointer, into: storedImage.pointer)
        try resampler.resample(
            storedImage.pointer, width: stored.imageSize, height: stored.imageSize, rowBytes: 3 * stored.imageSize,
            framing: framing, into: framed.pointer)
        normalisedPatches(
            from: framed.pointer, side: input.imageSize, patchSize: input.patchSize, mean: ImageNet.mean,
            deviation: ImageNet.deviation, into: patches.pointer + slot * input.valueCount)
    }

    private borrowing func drawMask(slot: Int, using generator: inout KeyedGenerator) {
        Kernels.drawMask(
            patchCount: input.patchCount, visible: visiblePatches, using: &generator,
            into: mask.pointer + slot * input.patchCount)
    }
}
