import ArgumentParser
import Base
import Collectives
import CrateModel
import Images
import Kernels
import Settings
import Shards
import Training

/// The statistics that pixels are normalised with.
enum NormalisationChoice: String, ExpressibleByArgument {
    case imagenet, dataset
}

/// What a run computes with its model.
struct RecipeOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "Images per step over all ranks (default: 4096; 2048 in train, 256 in finetune).", valueName: "images"))
    var batchSize: Int?
    @Option(
        help: ArgumentHelp(
            "Parts of a step that are summed in a tree (default: the number of ranks). For a power of two any number "
                + "of ranks that divides it gives the same bits.",
            valueName: "n"))
    var virtualRanks: Int?
    @Option(
        help: ArgumentHelp(
            "Images of one pass on a rank, which change memory but no bits (default: about 4, and as many as keep the "
                + "threads busy).",
            valueName: "images"))
    var microBatch: Int?
    @Option(help: ArgumentHelp("Format in which gradients are sent between ranks.", valueName: "fp32|bf16"))
    var wire = WireFormat.fp32
    @Option(
        help: ArgumentHelp(
            "Passes over the training set (default: 800; 150 in train, 200 in finetune).", valueName: "n"))
    var epochs: Int?
    @Option(help: ArgumentHelp("Number of steps, instead of --epochs.", valueName: "n"))
    var steps: Int?
    @Option(
        help: ArgumentHelp(
            "Peak learning rate for a batch of 256; scaled with the batch (default: 3e-5; 5e-5 in finetune).",
            valueName: "x"))
    var blr: Double?
    @Option(help: ArgumentHelp("Peak learning rate, instead of --blr.", valueName: "x"))
    var lr: Double?
    @Option(help: ArgumentHelp("Maximum global norm of the gradients; 0 disables clipping.", valueName: "x"))
    var clip = 1.0
    @Option(
        help: ArgumentHelp("Epochs of linear warm-up (default: 5% of the run).", valueName: "epochs"))
    var warmupEpochs: Double?
    @Option(
        help: ArgumentHelp(
            "Decoupled weight decay (default: 0.1; 0.5 in train, 0.01 in finetune).", valueName: "x"))
    var weightDecay: Double?
    @Option(
        help: ArgumentHelp(
            "Also keep a moving average of the weights, with this decay, such as 0.9999; evaluate and save it (default: none).",
            valueName: "decay"))
    var ema: Double?
    @Option(
        help: ArgumentHelp(
            "Stochastic depth: probability of leaving the last block's layers with skip connections out for an image; rises "
                + "linearly from 0 in the first.", valueName: "x"))
    var dropPath = 0.0
    @Option(
        help: ArgumentHelp(
            "Smallest part of an image's area that a random crop takes; 1 for whole images, where place and size mean something "
                + "(default: 0.2).", valueName: "x"))
    var cropArea: Double?
    @Option(
        help: ArgumentHelp(
            "Mean and deviation of the pixels: ImageNet's, or the data's (default: imagenet, or dataset if that is not RGB; the checkpoint's in finetune).",
            valueName: "imagenet|dataset"))
    var normalise: NormalisationChoice?
    @Option(help: ArgumentHelp("Seed of all random numbers.", valueName: "n"))
    var seed: UInt64 = 0

    func validate() throws {
        guard epochs == nil || steps == nil else { throw ValidationError("Give --epochs or --steps, not both.") }
        guard blr == nil || lr == nil else { throw ValidationError("Give --blr or --lr, not both.") }
        guard dropPath >= 0, dropPath < 1 else {
            throw ValidationError("--drop-path takes a number from 0 to under 1.")
        }
        guard cropArea.map({ $0 > 0 && $0 <= 1 }) ?? true else {
            throw ValidationError("--crop-area takes a number above 0 and up to 1.")
        }
        try requireCount("--batch-size", batchSize ?? 1, upTo: 1_000_000)
        try requireCount("--micro-batch", microBatch ?? 1, upTo: 1_000_000)
        try requireCount("--virtual-ranks", virtualRanks ?? 1, upTo: 1_000_000)
        try requireCount("--epochs", epochs ?? 1, upTo: 1_000_000)
        try requireCount("--steps", steps ?? 1, upTo: 1_000_000_000)
        guard ema.map({ $0 > 0 && $0 < 1 }) ?? true else {
            throw ValidationError("--ema takes a number between 0 and 1, both excluded.")
        }
        let reals = [
            ("--blr", blr ?? 0), ("--lr", lr ?? 0), ("--clip", clip), ("--warmup-epochs", warmupEpochs ?? 0),
            ("--weight-decay", weightDecay ?? 0),
        ]
        for (name, value) in reals {
            guard value.isFinite, value >= 0, value < 1e9 else {
                throw ValidationError("\(name) takes a finite number from 0 up.")
            }
        }
    }

    func normalisation(of index: ShardIndex) throws -> Normalisation {
        let format = index.pixelFormat
        switch normalise ?? (format.isRGB ? .imagenet : .dataset) {
        case .imagenet:
            guard format.isRGB else {
                throw Failure(
                    "ImageNet's mean and deviation are those of RGB, and the shards have \(format.channels) channels",
                    hint: "choose --normalise dataset")
            }
            return .imageNet
        case .dataset: return try Normalisation(mean: index.mean, deviation: index.std)
        }
    }

    func configuration(
        _ model: ModelConfiguration, _ defaults: RecipeDefaults = .pretraining, maskRatio: Double = 0,
        task: ClassificationTask? = nil, sampleCount: Int, normalisation: Normalisation, precision: Precision,
        ranks: Int, threads: Int
    ) throws -> TrainingConfiguration {
        let batchSize = batchSize ?? defaults.batchSize
        let schedule = try LearningRate(
            peak: lr ?? (blr ?? defaults.blr) * Double(batchSize) / 256,
            epochs: epochs ?? (steps == nil ? defaults.epochs : nil), steps: steps,
            warmupEpochs: warmupEpochs, sampleCount: sampleCount, batchSize: batchSize)
        let virtualRanks = virtualRanks ?? ranks
        return TrainingConfiguration(
            model: model, batchSize: batchSize, virtualRanks: virtualRanks,
            microBatch: microBatch
                ?? TrainingConfiguration.defaultMicroBatch(
                    batchSize: batchSize, virtualRanks: virtualRanks, threads: threads),
            precision: precision, wire: wire, schedule: schedule, weightDecay: weightDecay ?? defaults.weightDecay,
            clip: clip > 0 ? clip : nil, ema: ema, dropPath: dropPath > 0 ? dropPath : nil, maskRatio: maskRatio,
            cropArea: cropArea, classification: task,
            normalisation: normalisation,
            seed: seed, sampleCount: sampleCount)
    }
}
