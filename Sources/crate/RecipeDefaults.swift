import Optimizers
import Training

/// What a recipe is where nothing is said.
struct RecipeDefaults {
    let batchSize, epochs: Int
    let blr, weightDecay, lambda: Double
    var optimizer = OptimizerKind.adamw
    var layerDecay = 1.0

    /// As masked autoencoders are published.
    static let pretraining = RecipeDefaults(batchSize: 4096, epochs: 800, blr: 3e-5, weightDecay: 0.1, lambda: 0.5)
    /// As the supervised CRATE is published.
    static let training = RecipeDefaults(
        batchSize: 2048, epochs: 150, blr: 3e-5, weightDecay: 0.5, lambda: 0.1, optimizer: .lion)
    /// As CRATE is published to be fine-tuned on small data sets; lambda is the checkpoint's.
    static let finetuning = RecipeDefaults(
        batchSize: 256, epochs: 200, blr: 5e-5, weightDecay: 0.01, lambda: 0.5, layerDecay: 0.75)

    /// Those of a subcommand.
    static let ofCommands = ["pretrain": pretraining, "train": training, "finetune": finetuning]

    /// The same by the names of options.
    var values: [String: String] {
        [
            "batch-size": "\(batchSize)", "epochs": "\(epochs)", "blr": "\(blr)", "weight-decay": "\(weightDecay)",
            "lambda": "\(lambda)", "optimizer": optimizer.rawValue, "layer-decay": "\(layerDecay)",
        ]
    }
}
