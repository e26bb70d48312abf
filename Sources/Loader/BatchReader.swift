import Base
import Images
import Kernels

package enum SamplePurpose: Sendable {
    /// Positions in the run's sample order; samples are cropped, flipped and masked at random.
    case training
    /// Positions are samples, or places among those chosen; the crop is central, and the mask is always the same.
    case evaluation
}

/// Reads samples, frames them for the model and draws their masks, on the reading thread.
///
/// What is drawn for a sample is a function of (seed, epoch, sample), never of the rank or the batch.
final class BatchReader {
    let settings: LoaderSettings
    let input: PatchGrid
    let visiblePatches: Int
    var count: Int { images.directory.count }
    var missing: [Failure] { images.directory.missing }
    private var images: SampleImages
    private var sampler: Sampler
    private var resampler: Resampler
    private let normaliser: PatchNormaliser
    private let framed: OwnedBuffer<Float>  // one sample, (S', S', C)
    private let partner: OwnedBuffer<Float>  // another one that is mixed with it, (S', S', C)
    private let operations: RandomOperations
    /// What erased pixels get: the mean of each channel.
    private let erased: [Float]
    /// Those of the batch that is read.
    private var substitutions: [Substitution] = []

    init(_ settings: LoaderSettings) throws {
        let format = try PixelFormat(channels: settings.normalisation.channels, depth: 8)
        input = try PatchGrid(imageSize: settings.imageSize, patchSize: settings.patchSize, pixel: format)
        // With labels nothing is masked.
        let maskRatio = settings.labels == nil ? settings.maskRatio : nil
        visiblePatches = try maskRatio.map(input.visiblePatches) ?? input.patchCount
        images = try SampleImages(settings)
        let classes = images.directory.index.classes.count
        if let labels = settings.labels, labels.classes != classes {
            throw Failure(
                "\(settings.path) has \(classes) classes, the model \(labels.classes)",
                hint: "give shards of the same classes, or train another model")
        }
        if let augmentation = settings.labels?.augmentation, augmentation.operations > 0, !format.isRGB {
            throw Failure(
                "--rand-augment changes colours, and \(settings.path) has \(images.format.channels) channels",
                hint: "leave it out; --erasing, --mixup and --cutmix work for any number of channels")
        }
        resampler = try Resampler()
        normaliser = try PatchNormaliser(settings.normalisation)
        erased = settings.normalisation.mean.map { 255 * Float($0) }
        framed = try OwnedBuffer<Float>(count: input.valueCount)
        let mixes = settings.labels?.augmentation.mixes ?? false
        partner = try OwnedBuffer<Float>(count: mixes ? input.valueCount : 0)
        operations = try RandomOperations(side: input.imageSize)
        sampler = Sampler(count: images.directory.count, seed: settings.seed)
        self.settings = settings
    }

    /// Fills the slots of `ring` until it is stopped.
    func run(_ ring: BatchRing) {
        while let work = ring.nextWork() {
            do {
                ring.finish(work, .success(try read(work.batch, for: work.purpose)))
            } catch {
                ring.finish(work, .failure(Failure(from: error)))
            }
        }
    }

    /// Fills `batch`.
    private func read(_ batch: LoadedBatch, for purpose: SamplePurpose) throws -> [Substitution] {
        substitutions = []
        for (slot, position) in batch.positions.enumerated() {
            settings.beforeSample?()
            let (epoch, sample) =
                purpose == .training
                ? sampler.sample(at: position) : (0, settings.samples?[position] ?? position)
            let label = try prepare(purpose, epoch, sample, into: framed.pointer)
            if let labels = settings.labels {
                let targets = batch.targets + slot * labels.classes
                batch.labels[slot] = Int32(label)
                try fill(targets, label, labels, purpose, epoch, sample)
            } else {
                // Evaluation does not depend on the run's seed, so that losses of different runs are comparable.
                var generator =
                    purpose == .training
                    ? KeyedGenerator(seed: settings.seed, .mask, epoch, sample)
                    : KeyedGenerator(seed: 0, .evaluationMask, sample)
                drawMask(
                    patchCount: input.patchCount, visible: visiblePatches, using: &generator,
                    into: batch.mask + slot * input.patchCount)
            }
            normaliser.patches(
                of: framed.pointer, side: input.imageSize, patchSize: input.patchSize,
                into: batch.patches + slot * input.valueCount)
        }
        return substitutions
    }

    /// Reads `sample`, or its substitute, and writes it to `target`, framed and augmented as drawn for (epoch, sample). Returns its class.
    private func prepare(
        _ purpose: SamplePurpose, _ epoch: Int, _ sample: Int, into target: UnsafeMutablePointer<Float>
    ) throws -> Int {
        if let damage = try images.read(sample: sample) {
            guard settings.onCorruption == .substitute else { throw damage }
            let seed = purpose == .training ? settings.seed : 0
            substitutions.append(try substitute(for: sample, epoch: epoch, seed: seed, damage: damage))
        }
        guard settings.labels == nil || images.label >= 0 else {
            throw Failure(
                "sample \(sample) of \(settings.path) has no label", hint: "shard a folder with a folder a class")
        }
        let (width, height) = (images.width, images.height)
        var generator = KeyedGenerator(seed: settings.seed, .augmentation, epoch, sample)
        let framing =
            switch purpose {
            case .training:
                RandomResizedCrop.draw(
                    width: width, height: height, side: input.imageSize, smallestArea: settings.cropArea,
                    using: &generator)
            case .evaluation:
                images.directory.index.imageSize > 0
                    ? Framing.evaluation(stored: width, side: input.imageSize)
                    : Framing.evaluation(width: width, height: height, side: input.imageSize)
            }
        try resampler.resample(
            images.pixels, width: width, height: height, rowBytes: images.format.bytesPerPixel * width,
            format: images.format, framing: framing, into: target)
        guard purpose == .training, let augmentation = settings.labels?.augmentation else { return images.label }
        operations.apply(
            to: target, count: augmentation.operations, magnitude: augmentation.magnitude, using: &generator)
        RandomErasing.apply(
            to: target, side: input.imageSize, probability: augmentation.erasing, colour: erased, using: &generator)
        return images.label
    }

    /// Fills the `targets` of the sample in `framed` of class `label`. In training they are smoothed, and the sample is mixed with another
    /// one, drawn from (seed, epoch, sample).
    private func fill(
        _ targets: UnsafeMutablePointer<Float>, _ label: Int, _ labels: LabelSettings, _ purpose: SamplePurpose,
        _ epoch: Int, _ sample: Int
    ) throws {
        let smoothing = purpose == .training ? labels.smoothing : 0
        targets.update(repeating: Float(smoothing / Double(labels.classes)), count: labels.classes)
        guard purpose == .training, labels.augmentation.mixes else {
            targets[label] += Float(1 - smoothing)
            return
        }
        var generator = KeyedGenerator(seed: settings.seed, .mixing, epoch, sample)
        let other = generator.index(below: count)
        let mixing = Mixing.draw(labels.augmentation, side: input.imageSize, using: &generator)
        let otherLabel = try prepare(.training, epoch, other, into: partner.pointer)
        mixing.apply(
            partner.pointer, to: framed.pointer, side: input.imageSize, channels: input.pixel.channels)
        targets[label] += Float((1 - smoothing) * mixing.share)
        targets[otherLabel] += Float((1 - smoothing) * (1 - mixing.share))
    }

    /// Reads the first readable substitute of `sample`: candidates are drawn from (seed, epoch, sample), so they are the same on any number
    /// of ranks.
    private func substitute(for sample: Int, epoch: Int, seed: UInt64, damage: Failure) throws -> Substitution {
        // If half of all samples are readable, all fail once in 10^19 times.
        let attempts = 64
        var generator = KeyedGenerator(seed: seed, .substitution, epoch, sample)
        for _ in 0..<attempts {
            let candidate = generator.index(below: count)
            if try images.read(sample: candidate) == nil {
                return Substitution(sample: sample, substitute: candidate, damage: damage)
            }
        }
        throw Failure("\(damage.problem), and none of \(attempts) other samples can be read", hint: damage.hint)
    }
}
