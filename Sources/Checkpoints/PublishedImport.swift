import Base
import CrateModel
import Foundation

/// Settings that published weights do not contain, or that override those of the file.
package struct ImportSettings: Sendable {
    /// H; nil takes the value in the metadata.
    package var heads: Int?
    /// H of the decoder of a ViT-MAE; nil takes the value in the metadata, or the published one.
    package var decoderHeads: Int?
    /// Weight of ISTA's sparsity penalty; nil takes the value in the metadata.
    package var lambda: Double?
    /// Whether each target patch is standardised; nil takes the value in the metadata, or false.
    package var normalisesTargets: Bool?
    /// Side of the input in pixels; nil takes the size that matches the position table.
    package var imageSize: Int?
    /// Channels of the images to go on with; nil keeps those of the weights. See `ChannelAdaptation`.
    package var channels: Int?
    /// Called with what was taken from published models, since neither the file nor these settings say it.
    package var remark: @Sendable (String) -> Void

    package init(
        heads: Int?, decoderHeads: Int? = nil, lambda: Double?, normalisesTargets: Bool?, imageSize: Int?,
        channels: Int? = nil, remark: @escaping @Sendable (String) -> Void = { _ in }
    ) {
        self.heads = heads
        self.decoderHeads = decoderHeads
        self.lambda = lambda
        self.normalisesTargets = normalisesTargets
        self.imageSize = imageSize
        self.channels = channels
        self.remark = remark
    }
}

extension PublishedModel {
    /// Reads published weights, whose sizes follow from the tensors' shapes, or a model file written by crate, whose
    /// sizes are in its metadata and which need not contain the untrained tensors.
    ///
    /// Throws `Failure` that lists the keys that are missing, unexpected or misshapen, or names the setting that is not
    /// known.
    package static func importing(_ path: String, _ settings: ImportSettings) throws -> PublishedModel {
        let reader = try SafetensorsReader(path: path)
        let isOwn = [StoredModel.configurationKey, StoredModel.classifierKey].contains { reader.metadata[$0] != nil }
        guard isOwn else {
            let model = try publishedModel(reader, settings)
            try requireKeys(of: reader, model, optional: [])
            return try PublishedModel(
                reader, StoredModel(model, maskRatio: 0.75, normalisation: .imageNet), imageSize: settings.imageSize,
                channels: settings.channels)
        }
        let stored = try CheckpointStore.description(ofModelFile: path)
        let heads = stored.model.configuration.heads
        guard settings.heads == nil || settings.heads == heads else {
            throw Failure("\(path) was trained with \(heads) heads", hint: "omit --heads")
        }
        let model = try stored.model.with(lambda: settings.lambda, normalisesTargets: settings.normalisesTargets)
        try requireKeys(of: reader, model, optional: model.untrainedShapes.map(\.name))
        return try PublishedModel(
            reader,
            StoredModel(
                model, maskRatio: stored.maskRatio, normalisation: stored.normalisation, classes: stored.classes),
            imageSize: settings.imageSize, channels: settings.channels)
    }

    /// Writes the weights as step 0 of the run directory `run`, with zero moments, and returns the checkpoint's path.
    /// Throws `Failure` if the directory already contains a run or checkpoints.
    package func save(run: String) throws -> String {
        let used = [RunFile.configuration, .log, .checkpoints].first {
            FileManager.default.fileExists(atPath: $0.path(in: run))
        }
        if let used { throw Failure("\(run) holds \(used.name) already", hint: "choose a new directory for --run") }
        let zeros = try OwnedBuffer<Float>(count: model.layout.parameters.map(\.count).max() ?? 0)
        return try CheckpointStore(run: run).save(
            parameters.pointer, of: stored, step: 0, samples: 0, untrained: untrained
        ) { _, _ in UnsafePointer(zeros.pointer) }
    }
}

private func requireKeys(of reader: borrowing SafetensorsReader, _ model: Model, optional: [String]) throws {
    let shapes = model.layout.parameters.map { ($0.name, $0.shape) } + model.untrainedShapes.map { ($0.name, $0.shape) }
    let expected = Dictionary(uniqueKeysWithValues: shapes)
    let tensors = reader.tensors
    let missing = expected.keys.filter { tensors[$0] == nil && !optional.contains($0) }
    let surplus = tensors.keys.filter { expected[$0] == nil }
    let misshapen = expected.filter { name, shape in tensors[name].map { $0.shape != shape } ?? false }.map {
        "\($0.key) (\(tensors[$0.key]?.shape ?? []) instead of \($0.value))"
    }
    let problems = [("lacks", missing), ("has too many", surplus), ("misshapen", misshapen)].filter { !$0.1.isEmpty }
    guard problems.isEmpty else {
        let text = problems.map { "\($0.0): \(listed($0.1))" }.joined(separator: "; ")
        let title = model.configuration.architecture.title
        let kind = model.classifier == nil ? "\(title)-MAE" : "\(title) classifier"
        throw Failure(
            "the keys of \(reader.path) are not those of a \(kind) with \(model.configuration.heads) heads: \(text)",
            hint: PublishedShapes.hint + ", and their --heads")
    }
}

private func listed(_ names: [String]) -> String {
    let shown = names.sorted().prefix(8).joined(separator: ", ")
    return names.count > 8 ? "\(shown) and \(names.count - 8) more" : shown
}
