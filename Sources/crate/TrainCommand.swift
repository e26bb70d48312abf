import ArgumentParser
import Training

struct TrainCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "train",
        abstract: "Train the supervised CRATE from scratch on labelled shards, alone or under mpirun.",
        discussion: """
            crate train --data shards/train --validation shards/val --run runs/tiny \\
                --epochs 150
            mpirun -n 8 crate train --data shards/train --run runs/base --model base \\
                --rand-augment 2 --erasing 0.25 --mixup 0.8 --cutmix 1
            """)

    @OptionGroup var training: TrainingOptions
    @OptionGroup(title: "Model") var model: ModelOptions
    @OptionGroup(title: "Labels and images") var classification: ClassificationOptions

    func run() throws {
        StopSignal.listen()
        try runWithWorld { world in
            try training.train(world) { index, precision, ranks in
                let task = try classification.task(.supervised, index, in: training.run.files.data, .training)
                return try training.recipe.configuration(
                    try model.configuration(
                        .training, hasDecoder: false, channels: index.pixelFormat.channels), .training, task: task,
                    sampleCount: index.total,
                    normalisation: try training.recipe.normalisation(of: index), precision: precision, ranks: ranks,
                    threads: training.run.speed.threads)
            }
        }
    }
}
