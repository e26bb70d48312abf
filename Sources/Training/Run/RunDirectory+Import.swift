import Base
import Checkpoints
import Foundation

extension RunDirectory {
    /// Creates a run from `published` weights before training, and returns the path of its checkpoint of step 0.
    ///
    /// `pretrain --resume` starts there, with the options of the model stored. Throws `Failure` if the directory holds a run or
    /// checkpoints.
    package func begin(from published: borrowing PublishedModel) throws -> String {
        let checkpoint = try published.save(run: path)
        guard published.model.classifier == nil else { return checkpoint }
        let model = published.model.configuration
        var options = [
            "dim": "\(model.dim)", "depth": "\(model.depth)", "heads": "\(model.heads)",
            "decoder-depth": "\(model.decoderDepth)", "image-size": "\(model.imageSize)",
            "patch-size": "\(model.patchSize)", "mask-ratio": "\(published.stored.maskRatio)",
            "norm-pix": "\(model.normalisesTargets)",
        ]
        options["position-grid"] = model.positionGrid.map { "\($0)" }
        if model.architecture != .crate { options["architecture"] = model.architecture.rawValue }
        if model.architecture.hasLambda { options["lambda"] = "\(model.lambda)" }
        if model.architecture == .vit {
            options["decoder-dim"] = "\(model.decoder.dim)"
            options["decoder-heads"] = "\(model.decoder.heads)"
        }
        try RunSettings(command: nil, options: options).write(run: path)
        return checkpoint
    }

    /// Whether the directory holds the result of `crate import`: a checkpoint of step 0, and no run.
    var holdsImport: Bool {
        checkpoints.paths().count == 1 && checkpoints.paths().first.flatMap(CheckpointStore.step) == 0
    }

    /// Imported weights can be trained with any recipe, but must be intact and of the same model. A different normalisation is reported.
    func requireImport(for configuration: TrainingConfiguration, report: (Failure) -> Void) throws {
        let file = try CheckpointStore.modelFile(at: checkpoints.paths()[0]) { _ in }
        let stored = try CheckpointStore.description(ofModelFile: file)
        let (imported, normalisation) = (stored.model.configuration, stored.normalisation)
        guard stored.model.classifier == nil else {
            throw Failure("\(path) holds an imported classifier", hint: "change --run, or finetune from it")
        }
        guard imported == configuration.model else {
            throw Failure(
                "the weights imported into \(path) are of another model: \(imported.difference(from: configuration.model))",
                hint: "leave the options of the model out; they are those of the import")
        }
        if normalisation != configuration.normalisation {
            report(
                Failure(
                    "the weights imported into \(path) were trained with pixels normalised by a mean of \(normalisation.mean), "
                        + "and this run takes \(configuration.normalisation.mean)",
                    hint: "--normalise imagenet or dataset chooses"))
        }
    }
}
