import ArgumentParser
import Collectives
import Training

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
    @OptionGroup(title: "Masking") var masking: MaskingOptions
    @OptionGroup(title: "Recipe") var recipe: RecipeOptions
    @OptionGroup(title: "Speed") var speed: SpeedOptions
    @OptionGroup(title: "Ranks") var distribution: DistributionArguments
    @OptionGroup(title: "Telemetry") var telemetry: TelemetryArguments

    func validate() throws { try telemetry.demandValidation(files) }

    func run() throws {
        StopSignal.listen()
        try runWithWorld { world in
            let run = TrainingRun(
                files: files, speed: speed, distribution: distribution, telemetry: telemetry)
            try run.train(world) { index, precision, ranks in
                try recipe.configuration(
                    try model.configuration(normalisesTargets: masking.normPix), maskRatio: masking.maskRatio,
                    sampleCount: index.total, normalisation: try recipe.normalisation(of: index),
                    precision: precision, ranks: ranks)
            }
        }
    }
}
