import Base
import Checkpoints
import Foundation
import Reports
import Shards

/// What is known of the run that a model file is from; for an export nothing.
struct RunSource {
    let settings: RunSettings?
    /// Results of the run in a few numbers.
    let results: [(name: String, value: String, note: String)]
    /// The names of a classifier's classes, as long as its shards are where they were in training.
    let classes: [String]
    /// The side of the squares that its shards store; 0 for images of any size, nil if the shards cannot be read.
    let storedSize: Int?

    /// Of the model file of a checkpoint, RUN/checkpoints/step-N/model.safetensors.
    init(modelFile: String, model: StoredModel) {
        let run = URL(fileURLWithPath: modelFile).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent().path
        let report = checkpointExists(modelFile) ? try? RunReport(run: run) : nil
        settings = report == nil ? nil : try? RunSettings.read(run: run)
        results = report?.results ?? []
        let index = (settings?.options["data"]).flatMap { try? ShardIndex.load(directory: $0) }
        storedSize = index?.imageSize
        let names = index?.classes ?? []
        classes = names.count == model.model.classifier?.classes ? names : []
    }
}

private func checkpointExists(_ modelFile: String) -> Bool {
    let directory = URL(fileURLWithPath: modelFile).deletingLastPathComponent()
    return directory.deletingLastPathComponent().lastPathComponent == RunFile.checkpoints.name
        && FileManager.default.fileExists(atPath: directory.appendingPathComponent("manifest.json").path)
}
