import ArgumentParser
import Checkpoints
import Collectives
import CrateModel
import Files
import Foundation
import Images
import Kernels
import Shards
import Training

extension ModelSize: ExpressibleByArgument {}
extension DamagePolicy: ExpressibleByArgument {}

/// Whose statistics pixels are normalised with.
enum NormalisationChoice: String, ExpressibleByArgument {
    case imagenet, dataset
}

struct PretrainCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "pretrain",
        abstract: "Pretrain a CRATE-MAE on shards, alone or under mpirun.",
        discussion: """
            crate pretrain --data shards/train --validation shards/val --run runs/tiny --epochs 100
            mpirun -n 8 crate pretrain --data shards/train --run runs/base --model base --batch-size 1024 --resume
            """)

    @OptionGroup(title: "Data and run") var files: FileOptions
    @OptionGroup(title: "Model") var model: ModelOptions
    @OptionGroup(title: "Recipe") var recipe: RecipeOptions
    @OptionGroup(title: "Speed") var speed: SpeedOptions
    @OptionGroup(title: "Ranks") var distribution: DistributionArguments

    func run() throws {
        try runWithWorld { world in
            let modelConfiguration = try world.agree { try model.configuration() }
            let index = try world.agree { try ShardIndex.read(directory: files.data) }
            let sampleCount = world.broadcast(index.total, from: 0)
            let precision = speed.announcedPrecision(world)
            let configuration = try world.agree {
                try recipe.configuration(
                    modelConfiguration, sampleCount: sampleCount, normalisation: try recipe.normalisation(of: index),
                    precision: precision, ranks: world.size)
            }
            let options = PretrainOptions(
                data: files.data, validation: files.validation, run: RunDirectory(path: files.run),
                resumes: files.resume, arguments: files.argumentsToKeep, evaluateEvery: files.evaluateEvery,
                saveEvery: files.saveEvery, retention: files.retention, saveFailures: files.saveFailures,
                stopAfter: files.stopAfter, timeLimit: files.timeLimit.map { 60 * $0 }, threads: speed.threads,
                onDamage: files.onCorrupt, distribution: distribution.options)
            if try pretrain(configuration, options, world: world) == .stopped { throw stoppedEarly }
        }
    }
}

struct FileOptions: ParsableArguments {
    @Option(help: ArgumentHelp("Shard directory to train on.", valueName: "dir"))
    var data: String
    @Option(help: ArgumentHelp("Shard directory to evaluate on.", valueName: "dir"))
    var validation: String?
    @Option(help: ArgumentHelp("Run directory: configuration, log, checkpoints.", valueName: "dir"))
    var run: String
    @Flag(
        help: """
            Go on from the newest checkpoint of the run directory, or start if it has none. Options that are not given are \
            those that the run was started with.
            """)
    var resume = false
    @Option(help: ArgumentHelp("Epochs from one evaluation to the next.", valueName: "epochs"))
    var evaluateEvery = 1
    @Option(
        help: ArgumentHelp(
            "From one checkpoint to the next: epochs, or 500steps, or 30min.", valueName: "interval"))
    var saveEvery = SaveInterval.epochs(1)
    @Option(help: ArgumentHelp("Newest checkpoints that stay; 0 for all.", valueName: "n"))
    var keep = 3
    @Option(help: ArgumentHelp("Checkpoints of multiples of so many steps stay, too.", valueName: "steps"))
    var keepEvery: Int?
    @Option(help: ArgumentHelp("Checkpoints in a row that may fail before the run ends.", valueName: "n"))
    var saveFailures = 3
    @Option(
        help: ArgumentHelp(
            "Steps after which to end with a checkpoint; the schedule stays that of the whole run.", valueName: "steps")
    )
    var stopAfter: Int?
    @Option(
        help: ArgumentHelp(
            "Minutes within which to end with a checkpoint and exit code \(stoppedEarly.rawValue).",
            valueName: "minutes"))
    var timeLimit: Double?
    @Option(
        help: ArgumentHelp(
            "At a sample that cannot be read: end the run, or let another one stand in for it.",
            valueName: "stop|substitute"))
    var onCorrupt = DamagePolicy.stop

    func validate() throws {
        try demandCount("--evaluate-every", evaluateEvery, upTo: 1_000_000)
        try demandCount("--keep-every", keepEvery ?? 1, upTo: 1_000_000_000)
        for (name, value) in [("--keep", keep), ("--save-failures", saveFailures)] {
            guard (0...1_000_000).contains(value) else {
                throw ValidationError("\(name) takes a whole number from 0 to 1000000.")
            }
        }
        try demandCount("--stop-after", stopAfter ?? 1, upTo: 1_000_000_000)
        guard timeLimit.map({ $0 > 0 && $0 <= 1e7 }) ?? true else {
            throw ValidationError("--time-limit takes minutes from 0 up.")
        }
    }
}

extension FileOptions {
    var retention: CheckpointRetention { CheckpointRetention(last: keep > 0 ? keep : nil, everySteps: keepEvery) }

    /// What was given, but for what belongs to one start only.
    var argumentsToKeep: [String] {
        var (kept, isSkipping) = ([String](), false)
        for argument in withStoredArguments(Array(CommandLine.arguments.dropFirst())).dropFirst() {
            if isSkipping {
                isSkipping = false
            } else if ["--stop-after", "--time-limit", "--run"].contains(argument) {
                isSkipping = true
            } else if argument != "--resume",
                !["--stop-after=", "--time-limit=", "--run="].contains(where: argument.hasPrefix)
            {
                kept.append(argument)
            }
        }
        return kept
    }
}

extension SaveInterval: ExpressibleByArgument {
    /// Reads `2`, `2epochs`, `500steps` or `30min`.
    public init?(argument: String) {
        func number(_ unit: String) -> Double? {
            guard argument.hasSuffix(unit), let value = Double(argument.dropLast(unit.count)) else { return nil }
            return value > 0 && value <= 1e6 ? value : nil
        }
        if let minutes = number("min") {
            self = .minutes(minutes)
        } else if let steps = number("steps"), steps == steps.rounded() {
            self = .steps(Int(steps))
        } else if let epochs = number("epochs") ?? number(""), epochs == epochs.rounded() {
            self = .epochs(Int(epochs))
        } else {
            return nil
        }
    }

    /// How it is written on the command line.
    public var defaultValueDescription: String {
        switch self {
        case .epochs(let epochs): "\(epochs)"
        case .steps(let steps): "\(steps)steps"
        case .minutes(let minutes): "\(minutes)min"
        }
    }
}

struct ModelOptions: ParsableArguments {
    @Option(help: "Size: tiny, small, base or large.")
    var model = ModelSize.tiny
    @Option(help: ArgumentHelp("Channels of a token, instead of the size's.", valueName: "n"))
    var dim: Int?
    @Option(help: ArgumentHelp("Blocks of the encoder and of the decoder, instead of the size's.", valueName: "n"))
    var depth: Int?
    @Option(help: ArgumentHelp("Attention heads, instead of the size's.", valueName: "n"))
    var heads: Int?
    @Option(help: ArgumentHelp("Side of the input in pixels.", valueName: "pixels"))
    var imageSize = 224
    @Option(help: ArgumentHelp("Side of a patch in pixels.", valueName: "pixels"))
    var patchSize = 16
    @Option(help: ArgumentHelp("Weight of the sparsity penalty of ISTA.", valueName: "x"))
    var lambda = 0.5
    @Flag(help: "Standardise each target patch.")
    var normPix = false

    func configuration() throws -> ModelConfiguration {
        let extents = model.extents
        return try ModelConfiguration(
            imageSize: imageSize, patchSize: patchSize, dim: dim ?? extents.dim, depth: depth ?? extents.depth,
            heads: heads ?? extents.heads, lambda: lambda, normalisesTargets: normPix)
    }
}

struct RecipeOptions: ParsableArguments {
    @Option(help: ArgumentHelp("Images of a step over all ranks.", valueName: "images"))
    var batchSize = 4096
    @Option(
        help: ArgumentHelp(
            "Parts of a step that are summed in a tree (default: the number of ranks). For a power of two any number "
                + "of ranks that divides it gives the same bits.",
            valueName: "n"))
    var virtualRanks: Int?
    @Option(
        help: ArgumentHelp(
            "Images of one pass on a rank (default: the largest divisor of a virtual rank's share up to 8).",
            valueName: "images"))
    var microBatch: Int?
    @Option(help: ArgumentHelp("Gradients between ranks: as they are, or rounded to bf16.", valueName: "fp32|bf16"))
    var wire = WireFormat.fp32
    @Option(help: ArgumentHelp("Passes over the training set (default: 800).", valueName: "n"))
    var epochs: Int?
    @Option(help: ArgumentHelp("Steps, instead of --epochs.", valueName: "n"))
    var steps: Int?
    @Option(help: ArgumentHelp("Peak learning rate for a batch of 256; scaled with the batch.", valueName: "x"))
    var blr = 3e-5
    @Option(help: ArgumentHelp("Peak learning rate, instead of --blr.", valueName: "x"))
    var lr: Double?
    @Option(help: ArgumentHelp("Largest global norm of the gradients; 0 leaves them as they are.", valueName: "x"))
    var clip = 1.0
    @Option(
        help: ArgumentHelp("Epochs of linear warm-up (default: a twentieth of the run).", valueName: "epochs"))
    var warmupEpochs: Double?
    @Option(help: ArgumentHelp("AdamW's decoupled weight decay.", valueName: "x"))
    var weightDecay = 0.1
    @Option(help: ArgumentHelp("Fraction of the patches that is hidden.", valueName: "x"))
    var maskRatio = 0.75
    @Option(
        help: ArgumentHelp(
            "Mean and deviation of the pixels: ImageNet's, or the data's.", valueName: "imagenet|dataset"))
    var normalise = NormalisationChoice.imagenet
    @Option(help: ArgumentHelp("Key of everything random.", valueName: "n"))
    var seed: UInt64 = 0

    func validate() throws {
        guard epochs == nil || steps == nil else { throw ValidationError("Give --epochs or --steps, not both.") }
        try demandCount("--batch-size", batchSize, upTo: 1_000_000)
        try demandCount("--micro-batch", microBatch ?? 1, upTo: 1_000_000)
        try demandCount("--virtual-ranks", virtualRanks ?? 1, upTo: 1_000_000)
        try demandCount("--epochs", epochs ?? 1, upTo: 1_000_000)
        try demandCount("--steps", steps ?? 1, upTo: 1_000_000_000)
        let reals = [
            ("--blr", blr), ("--lr", lr ?? 0), ("--clip", clip), ("--warmup-epochs", warmupEpochs ?? 0),
            ("--weight-decay", weightDecay),
        ]
        for (name, value) in reals {
            guard value.isFinite, value >= 0, value < 1e9 else {
                throw ValidationError("\(name) takes a finite number from 0 up.")
            }
        }
    }

    func normalisation(of index: ShardIndex) throws -> Normalisation {
        switch normalise {
        case .imagenet: .imageNet
        case .dataset: try Normalisation(mean: index.mean, deviation: index.std)
        }
    }

    func configuration(
        _ model: ModelConfiguration, sampleCount: Int, normalisation: Normalisation, precision: Precision, ranks: Int
    ) throws -> PretrainConfiguration {
        let schedule = try LearningRate(
            peak: lr ?? blr * Double(batchSize) / 256, epochs: epochs ?? (steps == nil ? 800 : nil), steps: steps,
            warmupEpochs: warmupEpochs, sampleCount: sampleCount, batchSize: batchSize)
        let virtualRanks = virtualRanks ?? ranks
        return PretrainConfiguration(
            model: model, batchSize: batchSize, virtualRanks: virtualRanks,
            microBatch: microBatch
                ?? PretrainConfiguration.defaultMicroBatch(batchSize: batchSize, virtualRanks: virtualRanks),
            precision: precision, wire: wire, schedule: schedule, weightDecay: weightDecay, clip: clip > 0 ? clip : nil,
            maskRatio: maskRatio, normalisation: normalisation, seed: seed, sampleCount: sampleCount)
    }
}

/// The bounds keep products of these numbers, such as samples of a whole run, far from the limits of Int.
func demandCount(_ option: String, _ value: Int, upTo largest: Int) throws {
    guard (1...largest).contains(value) else {
        throw ValidationError("\(option) takes a whole number from 1 to \(largest).")
    }
}
