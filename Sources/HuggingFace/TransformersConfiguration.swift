import Checkpoints
import CrateModel
import Foundation

/// `config.json`: the sizes, by the names of `CrateConfig` in configuration_crate.py, and where the classes are.
struct TransformersConfiguration: Encodable {
    let modelType = "crate"
    let architectures: [String]
    let autoMap: [String: String]
    let dtype: String
    let part, block, pooling: String
    let imageSize, patchSize, numChannels, hiddenSize, numHiddenLayers, numAttentionHeads: Int
    let sparsity, maskRatio: Double
    let normPixLoss: Bool
    var decoderDepth, decoderHiddenSize, decoderAttentionHeads, trainedGrid: Int?
    var id2label: [String: String]?
    var label2id: [String: Int]?

    /// `classes` are the names of a classifier's classes, or empty.
    init(_ stored: StoredModel, classes: [String], type: StoredType) {
        let (model, classifier) = (stored.model.configuration, stored.model.classifier)
        let usual = classifier == nil ? "CrateForPreTraining" : "CrateForImageClassification"
        architectures = [usual]
        var places = [
            "AutoConfig": "configuration_crate.CrateConfig", "AutoModel": "modeling_crate.CrateModel",
            "AutoModelForImageClassification": "modeling_crate.CrateForImageClassification",
        ]
        if classifier == nil { places["AutoModelForPreTraining"] = "modeling_crate.CrateForPreTraining" }
        autoMap = places
        dtype = type == .bf16 ? "bfloat16" : "float32"
        part = classifier.map { $0.form == .supervised ? "supervised" : "classifier" } ?? "autoencoder"
        block = model.architecture.rawValue
        pooling = (classifier?.pooling ?? .mean).rawValue
        (imageSize, patchSize, numChannels) = (model.imageSize, model.patchSize, model.channels)
        (hiddenSize, numHiddenLayers, numAttentionHeads) = (model.dim, model.depth, model.heads)
        (sparsity, maskRatio, normPixLoss) = (model.lambda, stored.maskRatio, model.normalisesTargets)
        trainedGrid = model.positionGrid
        guard let classifier else {
            decoderDepth = model.decoderDepth
            if model.architecture == .vit {
                (decoderHiddenSize, decoderAttentionHeads) = (model.decoder.dim, model.decoder.heads)
            }
            return
        }
        let names = classes.isEmpty ? (0..<classifier.classes).map { "LABEL_\($0)" } : classes
        id2label = Dictionary(uniqueKeysWithValues: names.enumerated().map { ("\($0)", $1) })
        label2id = Dictionary(names.enumerated().map { ($1, $0) }) { first, _ in first }
    }

    var json: [UInt8] { get throws { try encodedJSON(self) } }
}

/// `preprocessor_config.json`: how images become the model's input, for `CrateImageProcessor` in image_processing_crate.py.
struct PreprocessorConfiguration: Encodable {
    let imageProcessorType = "CrateImageProcessor"
    let autoMap = ["AutoImageProcessor": "image_processing_crate.CrateImageProcessor"]
    let size: [String: Int]
    let imageMean, imageStd: [Double]
    /// The side of the squares that the training's shards store, where they store squares.
    let storedSize: Int?

    init(_ stored: StoredModel, _ source: RunSource) {
        let side = stored.model.configuration.imageSize
        size = ["height": side, "width": side]
        (imageMean, imageStd) = (stored.normalisation.mean, stored.normalisation.deviation)
        storedSize = source.storedSize.flatMap { $0 > 0 ? $0 : nil }
    }

    var json: [UInt8] { get throws { try encodedJSON(self) } }
}

private func encodedJSON(_ value: some Encodable) throws -> [UInt8] {
    let encoder = JSONEncoder()
    encoder.keyEncodingStrategy = .convertToSnakeCase
    encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
    return [UInt8](try encoder.encode(value)) + [UInt8(ascii: "\n")]
}
