import CrateModel
import Optimizers
import Training

/// Defaults of a recipe.
struct RecipeDefaults {
    let batchSize, epochs: Int
    let blr, weightDecay, lambda: Double
    var optimizer = OptimizerKind.adamw
    var layerDecay = 1.0

    /// As published for masked autoencoders.
    static let pretraining = RecipeDefaults(batchSize: 4096, epochs: 800, blr: 3e-5, weightDecay: 0.1, lambda: 0.5)
    /// As published for the supervised CRATE.
    static let training = RecipeDefaults(
        batchSize: 2048, epochs: 150, blr: 3e-5, weightDecay: 0.5, lambda: 0.1, optimizer: .lion)
    /// As published for fine-tuning CRATE on small data sets; lambda is the checkpoint's.
    static let finetuning = RecipeDefaults(
        batchSize: 256, epochs: 200, blr: 5e-5, weightDecay: 0.01, lambda: 0.5, layerDecay: 0.75)

    /// By subcommand.
    static let ofCommands = ["pretrain": pretraining, "train": training, "finetune": finetuning]

    /// Weight of the sparsity penalty of a model of `architecture`.
    func lambda(of architecture: Architecture) -> Double { min(lambda, architecture.defaultLambda) }

    /// The default of option `name` of subcommand `command` beside the `given` ones; nil if it has none.
    static func value(of name: String, command: String, given: [String: String]) -> String? {
        guard let defaults = ofCommands[command] else { return nil }
        let architecture = given["architecture"].flatMap(Architecture.init) ?? .crate
        switch name {
        case "batch-size": return "\(defaults.batchSize)"
        case "epochs": return "\(defaults.epochs)"
        case "blr": return "\(defaults.blr)"
        case "weight-decay": return "\(defaults.weightDecay)"
        case "lambda": return architecture.hasLambda ? "\(defaults.lambda(of: architecture))" : nil
        case "optimizer": return defaults.optimizer.rawValue
        case "layer-decay": return "\(defaults.layerDecay)"
        default: return nil
        }
    }
}
