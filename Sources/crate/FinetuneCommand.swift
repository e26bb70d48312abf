import ArgumentParser
import Base
import Checkpoints
import CrateModel
import Training

struct FinetuneCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "finetune",
        abstract: "Train a classifier on labelled shards, from a pretrained encoder or another classifier.",
        discussion: """
            crate finetune --from runs/pretrained --data shards/train \\
                --validation shards/val --run runs/finetuned
            crate finetune --from runs/imagenet --new-head --data cifar/train \\
                --validation cifar/val --run runs/cifar

            The model is that of the checkpoint: the encoder of a masked autoencoder with a new head, or the whole classifier.
            """)

    @Option(
        help: ArgumentHelp(
            "A run, one of its checkpoints, or a .safetensors file that carries its configuration.", valueName: "path"))
    var from: String
    @OptionGroup var kind: WeightsOption
    @Flag(help: "Start with a new head if the checkpoint's head is for other classes.")
    var newHead = false
    @Option(
        help: ArgumentHelp(
            "Side of the input in pixels (default: the checkpoint's, which a learned position table is bound to).",
            valueName: "pixels"))
    var imageSize: Int?

    @OptionGroup var training: TrainingOptions
    @OptionGroup(title: "Labels and images") var classification: ClassificationOptions

    func run() throws {
        StopSignal.listen()
        try runWithWorld { world in
            let (file, source) = try world.agree {
                let file = try CheckpointStore.modelFile(at: from, weights: kind.weights) {
                    if world.rank == 0 { printError("warning: \($0)") }
                }
                return (file, try CheckpointStore.description(ofModelFile: file))
            }
            let theirs = source.model.configuration
            try training.train(world, from: PretrainedWeights(file: file, hasNewHead: newHead)) {
                index, precision, ranks in
                let model = try theirs.with(
                    imageSize: imageSize, decoderDepth: 0, normalisesTargets: false, positionGrid: theirs.trainedGrid)
                let task = try classification.task(
                    source.model.classifier?.form ?? .autoencoder, index, in: training.run.files.data, .finetuning)
                return try training.recipe.configuration(
                    model, .finetuning, task: task, sampleCount: index.total,
                    normalisation: training.recipe.normalise == nil
                        ? source.normalisation : training.recipe.normalisation(of: index),
                    precision: precision, ranks: ranks,
                    threads: training.run.speed.threads)
            }
        }
    }
}
