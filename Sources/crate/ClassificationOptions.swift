import ArgumentParser
import Base
import CrateModel
import Images
import Loader
import Optimizers
import Settings
import Shards
import Training

extension Pooling: ExpressibleByArgument {}
extension OptimizerKind: ExpressibleByArgument {}

/// Settings of training a classifier.
struct ClassificationOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "Input of the head: the class token, or the mean over the patches.", valueName: "class|mean"))
    var pooling = Pooling.classToken
    @Option(
        help: ArgumentHelp("Label smoothing: probability moved from the right class to all classes.", valueName: "x"))
    var labelSmoothing = 0.1
    @Option(
        help: ArgumentHelp(
            "The optimiser (default: lion; adamw in finetune).", valueName: "adamw|lion"))
    var optimizer: OptimizerKind?
    @Option(
        help: ArgumentHelp(
            "Layer-wise learning-rate decay: factor from each layer to the one before it (default: 1; 0.75 in finetune).",
            valueName: "x"))
    var layerDecay: Double?
    @Option(help: ArgumentHelp("Number of random operations per image, such as 2 (RandAugment).", valueName: "n"))
    var randAugment = 0
    @Option(
        help: ArgumentHelp("Magnitude of these operations, 0 to \(RandomOperations.largestMagnitude).", valueName: "n"))
    var magnitude = 14
    @Option(help: ArgumentHelp("Probability of erasing a rectangle of an image.", valueName: "x"))
    var erasing = 0.0
    @Option(help: ArgumentHelp("Mixup's alpha, such as 0.8; 0 disables it.", valueName: "x"))
    var mixup = 0.0
    @Option(help: ArgumentHelp("Cutmix's alpha, such as 1; 0 disables it.", valueName: "x"))
    var cutmix = 0.0

    func validate() throws {
        let shares = [
            ("--label-smoothing", labelSmoothing), ("--erasing", erasing), ("--layer-decay", layerDecay ?? 1),
        ]
        for (name, value) in shares {
            guard (0...1).contains(value) else { throw ValidationError("\(name) takes a number from 0 to 1.") }
        }
        for (name, value) in [("--mixup", mixup), ("--cutmix", cutmix)] {
            // Smaller values leave nothing to mix, larger ones take long to draw.
            guard value == 0 || (0.05...4).contains(value) else {
                throw ValidationError("\(name) takes 0, or a number from 0.05 to 4.")
            }
        }
        for (name, value, largest) in [
            ("--rand-augment", randAugment, 16), ("--magnitude", magnitude, RandomOperations.largestMagnitude),
        ] {
            try requireCount(name, value, from: 0, upTo: largest)
        }
    }

    /// Throws `Failure` if the shards of `index`, which are in `directory`, have no labels.
    func task(
        _ form: ClassifierForm, _ index: ShardIndex, in directory: String, _ defaults: RecipeDefaults
    ) throws -> ClassificationTask {
        guard !index.classes.isEmpty else {
            throw Failure(
                "the images of \(directory) have no labels",
                hint: "shard a source with labels; crate pretrain needs none")
        }
        let augmentation = Augmentation(
            operations: randAugment, magnitude: randAugment > 0 ? magnitude : 0, erasing: erasing, mixup: mixup,
            cutmix: cutmix)
        return ClassificationTask(
            form: form, pooling: pooling,
            labels: LabelSettings(classes: index.classes.count, smoothing: labelSmoothing, augmentation: augmentation),
            optimizer: optimizer ?? defaults.optimizer, layerDecay: layerDecay ?? defaults.layerDecay)
    }
}
