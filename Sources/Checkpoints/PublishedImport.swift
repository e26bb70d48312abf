import Buffers
import CrateModel
import Files
import Foundation
import Images

/// What published weights do not say of themselves, and what is to be changed about them.
public struct ImportSettings: Sendable {
    /// Heads (H); nil takes what the metadata say.
    public var heads: Int?
    /// Weight of ISTA's sparsity penalty; nil takes what the metadata say.
    public var lambda: Double?
    /// Whether each target patch is standardised; nil takes what the metadata say, or false.
    public var normalisesTargets: Bool?
    /// Side of the input in pixels; nil takes what the position table says.
    public var imageSize: Int?

    /// Settings that leave everything to the file, where they are nil.
    public init(heads: Int?, lambda: Double?, normalisesTargets: Bool?, imageSize: Int?) {
        self.heads = heads
        self.lambda = lambda
        self.normalisesTargets = normalisesTargets
        self.imageSize = imageSize
    }
}

extension PublishedModel {
    /// Reads published weights, whose sizes are those of the tensors' shapes, or a model file that crate wrote, which says them
    /// itself and need not have the untrained tensors.
    ///
    /// Throws `Failure` that lists the keys that are missing, too many or misshapen, or says which setting is not known.
    public static func importing(_ path: String, _ settings: ImportSettings) throws -> PublishedModel {
        let reader = try SafetensorsReader(path: path)
        let isOwn = reader.metadata["config"] != nil
        let stored = try isOwn ? ownConfiguration(path, settings) : publishedConfiguration(reader, settings)
        try demandKeys(of: reader, stored, isOwn: isOwn)
        let (maskRatio, normalisation) = try isOwn ? trainingInput(path) : (0.75, .imageNet)
        let published = try PublishedModel(reader, stored, imageSize: settings.imageSize, maskRatio, normalisation)
        let table = published.untrained.first { $0.name == usedTable }?.values ?? []
        guard zip(table, published.model.positions).allSatisfy({ abs($0 - $1) <= 1e-3 }) else {
            throw Failure(
                "\(usedTable) of \(path) is not the fixed sine-cosine table",
                hint: "give weights of a model with the published table")
        }
        return published
    }

    /// Writes the weights as step 0 of the run directory `run`, with moments of zero, and returns the checkpoint's path.
    ///
    /// Throws `Failure` where the directory holds a run or checkpoints.
    public func save(run: String) throws -> String {
        let used = ["config.json", "log.jsonl", "checkpoints"].first {
            FileManager.default.fileExists(atPath: "\(run)/\($0)")
        }
        if let used { throw Failure("\(run) holds \(used) already", hint: "choose a new directory for --run") }
        let zeros = try OwnedBuffer<Float>(count: model.layout.parameters.map(\.count).max() ?? 0)
        return try CheckpointStore(run: run).save(
            parameters.pointer, of: model, maskRatio: maskRatio, normalisation: normalisation, step: 0, samples: 0,
            untrained: untrained
        ) { _, _ in UnsafePointer(zeros.pointer) }
    }
}

private func trainingInput(_ path: String) throws -> (maskRatio: Double, normalisation: Normalisation) {
    let (_, maskRatio, normalisation) = try CheckpointStore.description(ofModelFile: path)
    return (maskRatio, normalisation)
}

/// The configuration that the file says, with what `settings` say otherwise.
private func ownConfiguration(_ path: String, _ settings: ImportSettings) throws -> ModelConfiguration {
    let stored = try CheckpointStore.description(ofModelFile: path).configuration
    guard settings.heads == nil || settings.heads == stored.heads else {
        throw Failure("\(path) was trained with \(stored.heads) heads", hint: "leave --heads out")
    }
    return try ModelConfiguration(
        imageSize: stored.imageSize, patchSize: stored.patchSize, dim: stored.dim, depth: stored.depth,
        decoderDepth: stored.decoderDepth, heads: stored.heads, lambda: settings.lambda ?? stored.lambda,
        normalisesTargets: settings.normalisesTargets ?? stored.normalisesTargets)
}

/// The configuration that the shapes and `settings` say.
private func publishedConfiguration(
    _ reader: borrowing SafetensorsReader, _ settings: ImportSettings
) throws -> ModelConfiguration {
    let path = reader.path
    let tensors = reader.tensors
    func shape(_ name: String, _ extents: Int) throws -> [Int] {
        guard let shape = tensors[name]?.shape, shape.count == extents else {
            throw Failure(
                "\(path) holds no CRATE-MAE: it has no \(name) of \(extents) dimensions",
                hint: "give weights of the published CRATE-MAE")
        }
        return shape
    }
    func blocks(_ prefix: String) -> Int {
        Set(tensors.keys.filter { $0.hasPrefix(prefix) }.compactMap { $0.split(separator: ".").dropFirst().first })
            .count
    }
    let patch = try shape("patch_embed.proj.weight", 4)
    let tokens = try shape(PublishedModel.usedTable, 3)[1]
    let grid = Int(Double(max(0, tokens - 1)).squareRoot())
    guard grid > 0, grid <= 128, grid * grid + 1 == tokens, patch[3] <= 4096 else {
        throw Failure(
            "\(PublishedModel.usedTable) of \(path) has \(tokens) rows, which is no square of patches and one",
            hint: "give weights of the published CRATE-MAE")
    }
    guard let heads = settings.heads else {
        throw Failure("\(path) does not say how many heads it has", hint: "give --heads, 6 for the published tiny")
    }
    guard let lambda = settings.lambda else {
        throw Failure("\(path) does not say its lambda", hint: "give --lambda, 0.5 where the paper says nothing else")
    }
    return try ModelConfiguration(
        imageSize: grid * patch[3], patchSize: patch[3], dim: patch[0], depth: blocks("blocks."),
        decoderDepth: blocks("decoder_blocks."), heads: heads, lambda: lambda,
        normalisesTargets: settings.normalisesTargets ?? false)
}

private func demandKeys(
    of reader: borrowing SafetensorsReader, _ configuration: ModelConfiguration, isOwn: Bool
) throws {
    // Sizes that are those of tensors in the file bound the memory of the model's own table.
    let (dim, patchSize) = (configuration.dim, configuration.patchSize)
    let table = reader.tensors[PublishedModel.usedTable]?.shape
    guard reader.tensors["patch_embed.proj.weight"]?.shape == [dim, ModelConfiguration.channels, patchSize, patchSize],
        table == [1, configuration.tokenCount, dim] || table == nil && isOwn
    else {
        throw Failure(
            "patch embedding and \(PublishedModel.usedTable) of \(reader.path) are not those of a CRATE-MAE",
            hint: "give weights of the published CRATE-MAE")
    }
    let trained = MaskedAutoencoder(configuration).layout.parameters.map { ($0.name, $0.shape) }
    let untrained = PublishedModel.untrainedShapes(configuration).map { ($0.name, $0.shape) }
    let expected = Dictionary(uniqueKeysWithValues: trained + untrained)
    let optional = isOwn ? Set(untrained.map(\.0)) : []
    let tensors = reader.tensors
    let missing = expected.keys.filter { tensors[$0] == nil && !optional.contains($0) }
    let surplus = tensors.keys.filter { expected[$0] == nil }
    let misshapen = expected.filter { name, shape in tensors[name].map { $0.shape != shape } ?? false }.map {
        "\($0.key) (\(tensors[$0.key]?.shape ?? []) instead of \($0.value))"
    }
    let problems = [("lacks", missing), ("has too many", surplus), ("misshapen", misshapen)].filter { !$0.1.isEmpty }
    guard problems.isEmpty else {
        let text = problems.map { "\($0.0): \(listed($0.1))" }.joined(separator: "; ")
        throw Failure(
            "the keys of \(reader.path) are not those of a CRATE-MAE with \(configuration.heads) heads: \(text)",
            hint: "give weights of the published CRATE-MAE, and its --heads")
    }
}

/// The first of `names`, and how many more there are.
private func listed(_ names: [String]) -> String {
    let shown = names.sorted().prefix(8).joined(separator: ", ")
    return names.count > 8 ? "\(shown) and \(names.count - 8) more" : shown
}
