import Buffers
import Files
import Images
import Kernels

/// What samples are read for.
public enum SamplePurpose: Sendable {
    /// Positions are those of the run's sample order; samples are cropped, flipped and masked at random.
    case training
    /// Positions are samples; the crop is central, and the mask always the same.
    case evaluation
}

/// Reads samples, frames them as the model sees them, and draws their masks; the work of the reading thread.
///
/// What is drawn for a sample depends on (seed, epoch, sample) alone, never on the rank or the batch.
final class BatchReader {
    let settings: LoaderSettings
    let input: PatchGrid
    let visiblePatches: Int
    var count: Int { images.count }
    var missing: [Failure] { images.missing }
    private var images: SampleImages
    private var sampler: Sampler
    private var resampler: Resampler
    private let framed: OwnedBuffer<Float>  // one sample, (S', S', 3)

    init(_ settings: LoaderSettings) throws {
        input = try PatchGrid(imageSize: settings.imageSize, patchSize: settings.patchSize)
        let isRatio = settings.maskRatio > 0 && settings.maskRatio < 1
        visiblePatches = isRatio ? visiblePatchCount(patchCount: input.patchCount, ratio: settings.maskRatio) : 0
        guard visiblePatches > 0, visiblePatches < input.patchCount else {
            throw Failure(
                "mask ratio \(settings.maskRatio) hides none or all of \(input.patchCount) patches",
                hint: "choose --mask-ratio between 0 and 1, such as 0.75")
        }
        images = try SampleImages(settings)
        resampler = try Resampler()
        framed = try OwnedBuffer<Float>(count: input.valueCount)
        sampler = Sampler(count: images.count, seed: settings.seed)
        self.settings = settings
    }

    /// Fills the slots of `ring` until it is stopped.
    func run(_ ring: BatchRing) {
        while let work = ring.nextWork() {
            do {
                ring.finish(work, .success(try read(work, into: ring)))
            } catch {
                let failure = error as? Failure ?? Failure("\(error)", hint: "check the shards")
                ring.finish(work, .failure(failure))
            }
        }
    }

    private func read(_ work: BatchRing.Work, into ring: BatchRing) throws -> [Substitution] {
        var substitutions: [Substitution] = []
        for (slot, position) in work.positions.enumerated() {
            settings.beforeSample?()
            let (epoch, sample) =
                work.purpose == .training ? sampler.sample(at: position) : (0, position)
            // Evaluation is not keyed by the run's seed, so that the losses of different runs compare.
            let seed = work.purpose == .training ? settings.seed : 0
            if let damage = try images.read(sample: sample) {
                guard settings.onDamage == .substitute else { throw damage }
                substitutions.append(try substitute(for: sample, epoch: epoch, seed: seed, damage: damage))
            }
            try frame(work.purpose, epoch: epoch, sample: sample)
            normalisedPatches(
                from: framed.pointer, side: input.imageSize, patchSize: input.patchSize,
                mean: settings.normalisation.means, deviation: settings.normalisation.deviations,
                into: ring.patches(ofSlot: work.slot) + slot * input.valueCount)
            var generator =
                work.purpose == .training
                ? KeyedGenerator(seed: seed, .mask, epoch, sample) : KeyedGenerator(seed: seed, .evaluationMask, sample)
            drawMask(
                patchCount: input.patchCount, visible: visiblePatches, using: &generator,
                into: ring.masks(ofSlot: work.slot) + slot * input.patchCount)
        }
        return substitutions
    }

    /// Reads the first of the substitutes of `sample` that can be read.
    private func substitute(for sample: Int, epoch: Int, seed: UInt64, damage: Failure) throws -> Substitution {
        var substitutes = Substitutes(for: sample, epoch: epoch, seed: seed, count: count)
        for _ in 0..<Substitutes.attempts {
            let candidate = substitutes.next()
            if try images.read(sample: candidate) == nil {
                return Substitution(sample: sample, substitute: candidate, damage: damage)
            }
        }
        throw Failure(
            "\(damage.problem), and none of \(Substitutes.attempts) other samples can be read", hint: damage.hint)
    }

    /// Frames the image that was read last by what is drawn for (epoch, sample).
    private func frame(_ purpose: SamplePurpose, epoch: Int, sample: Int) throws {
        let (width, height) = (images.width, images.height)
        let framing: Framing
        switch purpose {
        case .training:
            var augmentation = KeyedGenerator(seed: settings.seed, .augmentation, epoch, sample)
            framing = RandomResizedCrop.draw(
                width: width, height: height, side: input.imageSize, using: &augmentation)
        case .evaluation:
            framing =
                images.areStoredSquare
                ? Framing.evaluation(stored: width, side: input.imageSize)
                : Framing.evaluation(width: width, height: height, side: input.imageSize)
        }
        try resampler.resample(
            images.pixels, width: width, height: height, rowBytes: 3 * width, framing: framing, into: framed.pointer)
    }
}
