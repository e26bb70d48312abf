import ArgumentParser
import CrateModel
import Images
import Loader
import Optimizers
import Training

extension Pooling: ExpressibleByArgument {}
extension OptimizerKind: ExpressibleByArgument {}

/// What training a classifier decides beyond what every run does.
struct ClassificationOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "What the head looks at: the class token, or the mean over the patches.", valueName: "class|mean"))
    var pooling = Pooling.classToken
    @Option(help: ArgumentHelp("What the right class gives up to be shared out over all.", valueName: "x"))
    var labelSmoothing = 0.1
    @Option(
        help: ArgumentHelp(
            "How parameters follow their gradients (default: lion; adamw in finetune).", valueName: "adamw|lion"))
    var optimizer: OptimizerKind?
    @Option(
        help: ArgumentHelp(
            "What the learning rate is multiplied with from each layer to the one before it (default: 1; 0.75 in finetune).",
            valueName: "x"))
    var layerDecay: Double?
    @Option(help: ArgumentHelp("Random operations on each image, such as 2 (RandAugment).", valueName: "n"))
    var randAugment = 0
    @Option(help: ArgumentHelp("How strong they are, 0 to \(RandomOperations.largestMagnitude).", valueName: "n"))
    var magnitude = 14
    @Option(help: ArgumentHelp("Probability that a rectangle of an image is erased.", valueName: "x"))
    var erasing = 0.0
    @Option(help: ArgumentHelp("Parameter of mixup's shares, such as 0.8; 0 for none.", valueName: "x"))
    var mixup = 0.0
    @Option(help: ArgumentHelp("Parameter of cutmix's shares, such as 1; 0 for none.", valueName: "x"))
    var cutmix = 0.0

    func validate() throws {
        let shares = [
            ("--label-smoothing", labelSmoothing), ("--erasing", erasing), ("--layer-decay", layerDecay ?? 1),
        ]
        for (name, value) in shares {
            guard (0...1).contains(value) else { throw ValidationError("\(name) takes a number from 0 to 1.") }
        }
        for (name, value) in [("--mixup", mixup), ("--cutmix", cutmix)] {
            // Smaller ones leave nothing to mix, larger ones take long to draw.
            guard value == 0 || (0.05...4).contains(value) else {
                throw ValidationError("\(name) takes 0, or a number from 0.05 to 4.")
            }
        }
        for (name, value, largest) in [
            ("--rand-augment", randAugment, 16), ("--magnitude", magnitude, RandomOperations.largestMagnitude),
        ] {
            try demandCount(name, value, from: 0, upTo: largest)
        }
    }

    /// The task of telling `classes` classes apart.
    func task(_ form: ClassifierForm, classes: Int, _ defaults: RecipeDefaults) -> ClassificationTask {
        let augmentation = Augmentation(
            operations: randAugment, magnitude: randAugment > 0 ? magnitude : 0, erasing: erasing, mixup: mixup,
            cutmix: cutmix)
        return ClassificationTask(
            form: form, pooling: pooling,
            labels: LabelSettings(classes: classes, smoothing: labelSmoothing, augmentation: augmentation),
            optimizer: optimizer ?? defaults.optimizer, layerDecay: layerDecay ?? defaults.layerDecay)
    }
}
